"""The governor, on a clock that the tests own: it drafts where that pays, and nowhere else."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from pestle.engine.governor import Governor
from pestle.engine.step_costs import ROWS, StepCosts

MOST = 31


def flat(rows: int) -> float:
    """Memory is the limit: a row costs next to nothing."""
    return 1 + 0.04 * (rows - 1)


def steep(rows: int) -> float:
    """A row costs nearly as much as a pass."""
    return 1 + 0.9 * (rows - 1)


@dataclass
class Decoding:
    """A generation whose drafts are right with a probability, at costs that both may change."""

    cost: Callable[[int], float] = flat
    right: float = 0.0
    confidence: float = 0.5
    costs: StepCosts = field(default_factory=StepCosts)
    noise: float = 0.0
    unit: float = 0.005  # seconds

    def __post_init__(self) -> None:
        self.governor = Governor(self.costs)
        self.draw = random.Random(1)

    def run(self, n_tokens: int) -> tuple[float, int]:
        """Passes of one row that `n_tokens` took the time of, and how many were drafted."""
        spent, tokens, drafted = 0.0, 0, 0
        while tokens < n_tokens:
            chosen = self.governor.choose([self.confidence] * MOST)
            fates = [self.draw.random() < self.right for _ in range(MOST)]
            accepted = fates[:chosen].index(False) if False in fates[:chosen] else chosen
            for fate in fates[: accepted + 1]:  # the next token is compared, drafted or not
                self.governor.record_fate(self.confidence, fate)
            cost = self.cost(chosen + 1)
            seconds = self.unit * cost * self.draw.lognormvariate(0, self.noise)
            self.governor.record_step(chosen + 1, seconds, accepted + 1)
            spent, tokens, drafted = spent + cost, tokens + accepted + 1, drafted + chosen
        return spent, drafted


def test_nothing_is_drafted_before_a_pass_was_timed() -> None:
    governor = Governor(StepCosts())
    assert governor.choose([0.99] * MOST) == 0
    for _ in range(3):
        governor.record_step(1, 0.005, 1)
    assert governor.choose([0.99] * MOST) == 1


def test_no_draft_no_verification() -> None:
    decoding = Decoding(right=1.0)
    decoding.run(200)
    assert decoding.governor.choose([]) == 0


def test_a_copy_is_drafted_as_far_as_it_goes() -> None:
    decoding = Decoding(right=1.0, confidence=0.95)
    decoding.run(200)
    spent, _ = decoding.run(320)
    assert spent == pytest.approx(10 * flat(32))
    assert decoding.governor.choose([0.95] * 15) == 15  # 16 rows
    assert decoding.governor.choose([0.95] * 20) == 15  # 21 is no size that is measured


@pytest.mark.parametrize("noise", [0.0, 0.2])
@pytest.mark.parametrize("confidence", [0.25, 0.8, 0.98])
@pytest.mark.parametrize("cost", [flat, steep])
def test_drafts_that_are_never_right_end(
    cost: Callable[[int], float], confidence: float, noise: float
) -> None:
    """Whatever the drafter thinks of them: one pass is lost, and of the others 1 %."""
    decoding = Decoding(cost, right=0.0, confidence=confidence, noise=noise)
    spent, _ = decoding.run(1000)
    assert spent <= 1000 * 1.01 + 3
    spent, _ = decoding.run(1000)
    assert spent <= 1000 * 1.01 + 1


@pytest.mark.parametrize("right", [0.3, 0.6])
def test_rows_that_cost_too_much_are_not_used(right: float) -> None:
    decoding = Decoding(steep, right=right, confidence=right)
    spent, _ = decoding.run(1000)
    assert spent <= 1000 * 1.01 + 3


@pytest.mark.parametrize("right", [0.5, 0.7, 0.9])
@pytest.mark.parametrize("row", [0.04, 0.12, 0.3])
def test_as_much_as_pays_is_drafted(right: float, row: float) -> None:
    """Within 5 % of the best size."""

    def cost(rows: int) -> float:
        return 1 + row * (rows - 1)

    def per_token(rows: int) -> float:
        return cost(rows) / sum(right**i for i in range(rows))

    decoding = Decoding(cost, right=right, confidence=0.6, noise=0.05)
    decoding.run(1000)
    spent, _ = decoding.run(20000)
    assert spent / 20000 <= 1.05 * min(map(per_token, (1, *ROWS)))


def test_a_text_that_begins_to_repeat_itself_is_noticed_at_once() -> None:
    decoding = Decoding(right=0.0)
    decoding.run(1000)
    _, drafted = decoding.run(50)
    assert drafted == 0
    decoding.right = 1.0
    spent, drafted = decoding.run(200)
    assert drafted > 100
    assert spent < 60


def test_costs_that_fall_are_found_out() -> None:
    """A disturbed machine that is quiet again: the next try comes by itself."""
    decoding = Decoding(steep, right=0.9, confidence=0.9)
    decoding.run(2000)
    decoding.cost = flat
    decoding.run(4000)
    spent, _ = decoding.run(1000)
    assert spent < 250


def test_costs_are_shared_by_generations() -> None:
    first = Decoding(right=1.0, confidence=0.95)
    first.run(1000)
    second = Decoding(right=1.0, confidence=0.95, costs=first.costs)
    spent, _ = second.run(100)
    assert spent < 15


def test_an_unlikely_draft_is_not_looked_at() -> None:
    decoding = Decoding(right=1.0, confidence=0.95)
    decoding.run(500)
    assert decoding.governor.choose([0.01] * MOST) == 0
    assert decoding.governor.choose([0.95] * 3 + [0.01] * (MOST - 3)) == 3


def test_the_unit_is_measured_again_where_little_is_gained() -> None:
    governor = Governor(StepCosts())
    for _ in range(3):
        governor.record_step(1, 0.005, 1)
    rows = []
    for _ in range(130):
        rows.append(governor.choose([0.2] * MOST) + 1)
        governor.record_step(rows[-1], 0.005, rows[-1])
    assert rows.count(1) == 10


def test_the_unit_is_not_measured_where_much_is_gained() -> None:
    decoding = Decoding(right=1.0, confidence=0.95)
    decoding.run(500)
    for _ in range(100):
        assert decoding.governor.choose([0.95] * MOST) == MOST
        decoding.governor.record_step(MOST + 1, 0.005 * flat(MOST + 1), MOST + 1)


def test_a_size_that_is_slow_is_left_out() -> None:
    """Eight rows cost more than 16: kernels may fall off a cliff and climb up again."""

    def cliff(rows: int) -> float:
        return 9.0 if rows == 8 else flat(rows)

    decoding = Decoding(cliff, right=1.0, confidence=0.95)
    decoding.run(500)
    spent, _ = decoding.run(320)
    assert spent == pytest.approx(10 * flat(32))


@pytest.mark.parametrize(
    ("unit", "most"), [(0.01, 31), (0.05, 15), (0.09, 15), (0.1, 7), (0.3, 7), (10.0, 7)]
)
def test_no_pass_takes_long(unit: float, most: int) -> None:
    """Half a second, or as long as four passes of one row."""

    def cost(rows: int) -> float:
        return {2: 1.3, 4: 1.9, 8: 3.1, 16: 5.5, 32: 9.0}.get(rows, 1.0)

    decoding = Decoding(cost, right=1.0, confidence=0.95, unit=unit)
    decoding.run(1000)
    assert decoding.governor.choose([0.95] * MOST) == most
