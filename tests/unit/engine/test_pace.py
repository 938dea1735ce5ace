"""How much of a prompt is read in a pass."""

from __future__ import annotations

from pestle.engine.pace import Pace


def test_the_first_piece_is_small_where_somebody_is_answered() -> None:
    pace = Pace()
    assert pace.piece(answering=True) < pace.piece(answering=False)


def test_pieces_take_twice_a_pass_beside_answers_and_half_a_second_alone() -> None:
    pace = Pace()
    pace.learn(1, 0.02, reads=False)
    pace.learn(100, 0.1, reads=True)
    assert pace.piece(answering=True) == 32  # rows of a millisecond, down to whole strides
    assert pace.piece(answering=False) == 496


def test_a_slow_pass_counts_for_half_of_what_was_known() -> None:
    pace = Pace()
    pace.learn(100, 0.1, reads=True)
    pace.learn(100, 0.3, reads=True)
    assert pace.piece(answering=False) == 240


def test_pieces_of_streamed_models_fill_the_pass() -> None:
    """It reads the experts from the disk however few rows it has."""
    pace = Pace(streams=True)
    for answering in (True, False):
        assert pace.piece(answering=answering) > 1 << 20
    pace.learn(512, 10.0, reads=True)
    pace.learn(1, 0.3, reads=False)
    assert pace.piece(answering=True) > 1 << 20
