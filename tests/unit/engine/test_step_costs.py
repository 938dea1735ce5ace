"""What passes of several rows are taken to cost, from few and noisy measurements."""

from __future__ import annotations

import pytest
from pestle.engine.step_costs import ROWS, StepCosts


def expected(costs: StepCosts) -> dict[int, float]:
    return {cost.rows: cost.expected for cost in costs.table}


def test_nothing_is_known_at_first() -> None:
    costs = StepCosts()
    assert not costs.known
    assert costs.most_rows == 2
    assert expected(costs) == pytest.approx({rows: 1 + 0.1 * (rows - 1) for rows in ROWS})


def test_rows_of_streamed_models_are_dear_until_they_are_measured() -> None:
    costs = StepCosts(streams=True)
    assert expected(costs) == pytest.approx({rows: 1 + 0.7 * (rows - 1) for rows in ROWS})
    costs.record(2, 1.2)
    assert expected(costs) == pytest.approx({rows: 1 + 0.2 * (rows - 1) for rows in ROWS})


def test_between_and_beyond_what_is_measured() -> None:
    costs = StepCosts()
    costs.record(4, 1.3)
    costs.record(16, 3.7)
    assert costs.known
    assert expected(costs) == pytest.approx({2: 1.1, 4: 1.3, 8: 2.1, 16: 3.7, 32: 1 + 3.1})
    assert costs.expected(8) == pytest.approx(2.1)


def test_one_bad_size_says_little_of_larger_ones() -> None:
    costs = StepCosts()
    for rows, cost in ((2, 1.1), (4, 1.3), (8, 8.0)):
        costs.record(rows, cost)
    assert expected(costs)[16] == pytest.approx(1 + 1.5)
    costs.record(16, 16.0)
    assert expected(costs)[32] == pytest.approx(1 + 31)


def test_sizes_are_tried_in_steps() -> None:
    costs = StepCosts()
    reached = []
    for rows in (2, 4, 8, 16, 32):
        assert costs.most_rows == rows
        costs.record(rows, 1.5)
        reached.append(costs.most_rows)
    assert reached == [4, 8, 16, 32, 64]


def test_an_outlier_among_several_does_not_count() -> None:
    costs = StepCosts()
    for cost in (1.5, 9.0, 1.4, 1.6, 1.5):
        costs.record(4, cost)
    assert costs.expected(4) == 1.5


def test_a_single_bad_measurement_is_doubted() -> None:
    """Several that agree are doubted less."""
    costs = StepCosts()
    costs.record(4, 3.0)
    assert costs.table[1].hopeful == pytest.approx(2.5)
    for _ in range(20):
        costs.record(4, 3.0)
    assert costs.table[1].hopeful == pytest.approx(3 - 0.5 / 3)
    assert costs.table[1].expected == 3.0


def test_what_is_not_measured_again_is_forgotten() -> None:
    costs = StepCosts()
    for _ in range(9):
        costs.record(4, 3.0)
    for _ in range(8 * 128):
        costs.step()
    assert costs.table[1].hopeful == pytest.approx(2.5)
    assert costs.expected(4) == 3.0
    for _ in range(128):
        costs.step()
    assert not costs.known
    assert expected(costs) == expected(StepCosts())


def test_new_measurements_replace_old_ones() -> None:
    costs = StepCosts()
    for cost in (3.0,) * 9 + (1.2,) * 5:
        costs.record(4, cost)
    assert costs.expected(4) == 1.2
