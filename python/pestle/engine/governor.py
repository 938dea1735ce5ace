"""How many drafted tokens to verify at once: as many as make a token cheapest, by measurement."""

from __future__ import annotations

from bisect import bisect
from collections import deque
from collections.abc import Sequence

from pestle.engine.step_costs import StepCosts

# Confidences are told apart by their complement: 0.98 and 0.96 differ more than 0.6 and 0.5.
_MISS_EDGES = (0.02, 0.04, 0.07, 0.11, 0.16, 0.22, 0.3, 0.4, 0.55, 0.7)
_PRIOR = 8  # tokens that a confidence counts for before this text has shown how good it is
_FORGET = 0.99  # what a token counts for after the next one in its class
_MARGIN = 1.02  # a gain below this is noise
_UNLIKELY = 0.03  # more rows behind such a token are not worth looking at

# Credit, in passes of one row: what may be lost on drafts that turn out wrong. It bounds what
# speculation can cost: one pass and 1 % of the others.
_CREDIT = 1.0
_CREDIT_A_STEP = 0.01
_MOST_CREDIT = 10.0

_SINGLES = 15  # passes of one row whose median is the unit of all costs
_LONGEST = 0.5  # seconds of a pass, which Ctrl-C has to wait for,
_LONGEST_IN_SINGLES = 4.0  # or so many of one row where those are slow themselves
_CLEAR = 1.3  # a gain that no error of the unit explains
_STALE = 12  # passes after which the unit is measured again


class Governor:
    """Decides for one generation. What it decides changes the speed, never the output."""

    def __init__(self, costs: StepCosts) -> None:
        self._costs = costs
        self._fates = [[0.0, 0.0] for _ in range(len(_MISS_EDGES) + 1)]  # right ones, all
        self._singles: deque[float] = deque(maxlen=_SINGLES)
        self._since_single = 0
        self._credit = _CREDIT

    def choose(self, confidences: Sequence[float]) -> int:
        """How many tokens of a draft to verify, 0 for none.

        `confidences` of each token that it is right if those before it are.
        """
        # Costs cannot be learned without their unit.
        if len(self._singles) < (1 if self._costs.known else 3):
            return 0
        unit = self._unit()
        dearest = min(self._credit + 1, max(_LONGEST / unit, _LONGEST_IN_SINGLES))
        best, choice = _MARGIN, 0
        likely, gained, at = 1.0, 1.0, 0
        most = min(len(confidences) + 1, self._costs.most_rows)
        for rows, expected, hopeful in self._costs.table:
            if rows > most:
                break
            if expected > dearest:
                continue  # not break: a kernel may like 8 rows better than 6
            for confidence in confidences[at : rows - 1]:
                likely *= self._chance(confidence)
                gained += likely
            at = rows - 1
            if gained > best * hopeful:
                best, choice = gained / hopeful, at
            if likely < _UNLIKELY:
                break
        # Where little is gained, the unit must be right; where much is, a pass for it costs more.
        if best < _CLEAR and self._since_single >= _STALE:
            return 0
        return choice

    def record_fate(self, confidence: float, right: bool) -> None:
        """Learn whether a drafted token was right, be it verified or merely compared later."""
        fate = self._fates[bisect(_MISS_EDGES, 1 - confidence)]
        fate[0] = fate[0] * _FORGET + right
        fate[1] = fate[1] * _FORGET + 1

    def record_step(self, rows: int, seconds: float, gained: int) -> None:
        """Learn what a pass of `rows` took; it gave `gained` tokens."""
        self._costs.step()
        self._since_single = 0 if rows == 1 else self._since_single + 1
        if rows == 1:
            self._singles.append(seconds)
            self._earn(_CREDIT_A_STEP)
            return
        self._costs.record(rows, max(seconds / self._unit(), 1.0))
        self._earn(gained - self._costs.expected(rows))

    def _unit(self) -> float:
        return max(sorted(self._singles)[len(self._singles) // 2], 1e-9)

    def _earn(self, passes: float) -> None:
        self._credit = min(self._credit + passes, _MOST_CREDIT)

    def _chance(self, confidence: float) -> float:
        right, seen = self._fates[bisect(_MISS_EDGES, 1 - confidence)]
        return (right + _PRIOR * confidence) / (seen + _PRIOR)
