"""A generation's drafts: what is asked of the drafter, and what is learned from a pass."""

from __future__ import annotations

from typing import Any

import pytest
from pestle.engine import speculation
from pestle.engine.speculation import Speculation
from pestle.engine.step_costs import StepCosts


class Drafter:
    """Says what it was made with."""

    def __init__(self, *guess: int) -> None:
        self.guess, self.text, self.asked = list(guess), list[int](), list[int]()

    @property
    def n_tokens(self) -> int:
        return len(self.text)

    def extend(self, tokens: list[int]) -> None:
        self.text += tokens

    def draft(self, most: int) -> tuple[list[int], list[float]]:
        self.asked.append(most)
        guess = self.guess[:most]
        return guess, [0.5 + 0.1 * i for i in range(len(guess))]


class Noting:
    """In a Governor's place: lets two tokens be verified and notes what it hears."""

    def __init__(self, costs: StepCosts) -> None:
        self.offered: list[list[float]] = []
        self.fates: list[tuple[float, bool]] = []
        self.steps: list[tuple[int, float, int]] = []

    def choose(self, confidences: list[float]) -> int:
        self.offered.append(confidences)
        return min(2, len(confidences))

    def record_fate(self, confidence: float, right: bool) -> None:
        self.fates.append((round(confidence, 3), right))

    def record_step(self, rows: int, seconds: float, gained: int) -> None:
        self.steps.append((rows, seconds, gained))


@pytest.fixture(autouse=True)
def _no_governor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speculation, "Governor", Noting)


def make(*guess: int, ends: tuple[int, ...] = ()) -> tuple[Any, Drafter]:
    drafter = Drafter(*guess)
    return Speculation(drafter, StepCosts(), ends), drafter


def test_the_drafter_reads_the_text_once() -> None:
    drafts, drafter = make(7, 8, 9)
    assert drafts.draft([1, 2, 3], 10) == [7, 8]
    assert drafts.draft([1, 2, 3, 7, 8], 10) == [7, 8]
    assert drafter.text == [1, 2, 3, 7, 8]


@pytest.mark.parametrize(("most", "asked"), [(-1, 0), (0, 0), (1, 1), (31, 31), (500, 31)])
def test_no_more_than_fits(most: int, asked: int) -> None:
    drafts, drafter = make(*range(100))
    assert drafts.draft([1], most) == [0, 1][: max(0, most)]
    assert drafter.asked == [asked]


def test_nothing_is_offered_behind_an_end() -> None:
    drafts, _ = make(7, 8, 2, 9, ends=(2,))
    drafts.draft([1], 10)
    assert drafts._governor.offered == [[0.5, 0.6]]


@pytest.mark.parametrize(
    ("chosen", "fates"),
    [
        ([6], [False]),
        ([7, 6], [True, False]),
        # Both that were verified were right: the third shows whether it would have been.
        ([7, 8, 9], [True, True, True]),
        ([7, 8, 6], [True, True, False]),
    ],
)
def test_a_pass_tells_about_what_it_verified_and_one_more(
    chosen: list[int], fates: list[bool]
) -> None:
    drafts, _ = make(7, 8, 9, 10)
    drafts.learn(len(drafts.draft([1], 10)), chosen, 0.25)
    assert drafts._governor.fates == list(zip((0.5, 0.6, 0.7), fates, strict=False))
    assert drafts._governor.steps == [(3, 0.25, len(chosen))]
    assert (drafts.drafted, drafts.accepted) == (2, len(chosen) - 1)


def test_a_pass_without_a_draft_tells_about_the_next_token() -> None:
    drafts, _ = make(7, 8)
    drafts.draft([1], 10)
    drafts.learn(0, [7], 0.25)
    assert drafts._governor.fates == [(0.5, True)]
    assert (drafts.drafted, drafts.accepted) == (0, 0)


def test_giving_up() -> None:
    drafts, drafter = make(7, 8)
    drafts.draft([1], 10)
    drafts.give_up()
    assert drafts.draft([1, 7], 10) == []
    drafts.learn(0, [8], 0.25)
    assert (drafter.text, drafts._governor.fates) == ([1], [])
