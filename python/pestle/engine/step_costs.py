"""What a forward pass of several rows costs, compared with one of a single row."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

ROWS = (2, 4, 8, 16, 32)
"""The sizes that are used, and so measured: few, so that each is soon known, and such as kernels
like. On replayed texts the sizes between them gained nothing at any cost of a row."""

_ROW = 0.1  # what a row adds where nothing was measured; low, so that it gets measured
_ROW_STREAMED = 0.7  # where rows read experts from the disk, of which they share few
_KEPT = 9  # measurements of one size; other processes may disturb some of them
_STEPS_TO_AGE = 128
_DOUBT = 0.25  # the part of a single measurement's excess that may be bad luck


class Cost(NamedTuple):
    """What a pass of `rows` takes, in passes of one row."""

    rows: int
    expected: float  # the median
    hopeful: float  # lower while there are few measurements, so that bad luck is put to the test


class StepCosts:
    """The costs of one model on this machine, learned from the passes that it makes.

    All generations of a model share them, also in several threads: every change puts a whole value
    in another's place, and one that gets lost is a measurement less.
    """

    def __init__(self, *, streams: bool = False) -> None:
        """`streams`: experts are read from the disk when tokens ask for them."""
        self._row = _ROW_STREAMED if streams else _ROW
        self._measured: dict[int, tuple[float, ...]] = {}
        self._steps = 0
        self.table = _build({}, self._row)

    @property
    def known(self) -> bool:
        """Whether anything was measured."""
        return bool(self._measured)

    @property
    def most_rows(self) -> int:
        """The largest pass to make: twice the largest measured, so that no cost is a surprise."""
        return 2 * max(self._measured, default=1)

    def expected(self, rows: int) -> float:
        """What a pass of `rows`, one of ROWS, takes."""
        return self.table[ROWS.index(rows)].expected

    def record(self, rows: int, cost: float) -> None:
        """Note what a pass of `rows`, one of ROWS, took."""
        kept = (*self._measured.get(rows, ()), cost)[-_KEPT:]
        self._measured = {**self._measured, rows: kept}
        self.table = _build(self._measured, self._row)

    def step(self) -> None:
        """Count a pass of any size. What is not measured again is forgotten bit by bit."""
        self._steps += 1
        if self._steps % _STEPS_TO_AGE == 0:
            measured = self._measured
            self._measured = {rows: kept[1:] for rows, kept in measured.items() if kept[1:]}
            self.table = _build(self._measured, self._row)


def _build(measured: dict[int, tuple[float, ...]], row: float) -> tuple[Cost, ...]:
    expected, hopeful = [(1, 1.0)], [(1, 1.0)]
    for rows, kept in sorted(measured.items()):
        median = sorted(kept)[len(kept) // 2]
        expected.append((rows, median))
        hopeful.append((rows, 1 + (median - 1) * (1 - _DOUBT / math.sqrt(len(kept)))))
    return tuple(map(Cost, ROWS, _curve(expected, row), _curve(hopeful, row)))


def _curve(points: list[tuple[int, float]], row: float) -> list[float]:
    """The costs of ROWS: straight lines between `points`; beyond them, rows cost the same each.

    `row`: what one adds where there is a single point.
    """
    # As little as by either of the last two points: one size may be one that no kernel likes.
    row = min(((cost - 1) / (rows - 1) for rows, cost in points[1:][-2:]), default=row)
    costs = []
    for (left, low), (right, high) in pairwise(points):
        slope = (high - low) / (right - left)
        costs += [low + slope * (rows - left) for rows in ROWS if left < rows <= right]
    return costs + [1 + row * (rows - 1) for rows in ROWS[len(costs) :]]
