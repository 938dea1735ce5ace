"""The best types for a number of bytes: a knapsack in which every tensor takes one of its types."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from pestle.errors import Error

_UNITS: Final = 1 << 16
"""Into which the budget is divided: what a tensor takes is rounded up to a whole number of them."""


@dataclass(frozen=True)
class Candidate:
    """A type that a tensor may have: its bytes, and the divergence that it is expected to cost."""

    type: str
    nbytes: int
    loss: float


@dataclass(frozen=True)
class TensorCandidates:
    """A tensor whose type is to be chosen, and the `candidates` for it."""

    name: str
    candidates: tuple[Candidate, ...]


def choose(tensors: Sequence[TensorCandidates], budget: int) -> dict[str, Candidate]:
    """The candidates of least total loss in at most `budget` bytes, by the tensors' names.

    Exact where the budget beyond the smallest types has no more than 65,536 bytes; else bytes are
    counted in units that are larger (dynamic programming, as in Kellerer, Pferschy & Pisinger,
    Knapsack Problems, 11.5), and what that leaves is spent on the single changes that gain most.
    The same tensors and budget give the same choice. Error: even the smallest types do not fit.
    """
    tables = [_worthwhile(tensor) for tensor in tensors]
    least = sum(table[0].nbytes for table in tables)
    if least > budget:
        raise Error(
            f"the smallest types take {least:,} bytes, {budget:,} are left for them: "
            "the target is too small for this model"
        )
    chosen = _solved(tables, budget - least)
    left = budget - sum(table[i].nbytes for table, i in zip(tables, chosen, strict=True))
    while steps := list(_steps(tables, chosen, left)):
        _, n, i = max(steps, key=lambda step: step[0])
        left += tables[n][chosen[n]].nbytes - tables[n][i].nbytes
        chosen[n] = i
    return {tensor.name: table[i] for tensor, table, i in zip(tensors, tables, chosen, strict=True)}


def _worthwhile(tensor: TensorCandidates) -> list[Candidate]:
    """The candidates by size, without those that lose no less than a smaller one."""
    found: list[Candidate] = []
    for candidate in sorted(tensor.candidates, key=lambda c: (c.nbytes, c.loss, c.type)):
        if not found or candidate.loss < found[-1].loss:
            found.append(candidate)
    return found


def _solved(tables: Sequence[Sequence[Candidate]], budget: int) -> list[int]:
    """Which candidate of each table, where all beyond the smallest ones takes `budget` bytes."""
    unit = -(-budget // _UNITS) or 1
    n = budget // unit
    losses: npt.NDArray[np.float64] = np.zeros(n + 1)  # of the tensors so far, in so many units
    picks = []
    for table in tables:
        best = np.full(n + 1, np.inf)
        pick = np.zeros(n + 1, np.int8)
        for i, candidate in enumerate(table):
            units = -(-(candidate.nbytes - table[0].nbytes) // unit)
            if units > n:
                break
            found = losses[: n + 1 - units] + candidate.loss
            better = found < best[units:]
            best[units:][better] = found[better]
            pick[units:][better] = i
        losses = best
        picks.append(pick)
    chosen = []
    for table, pick in zip(reversed(tables), reversed(picks), strict=True):
        i = int(pick[n])
        chosen.append(i)
        n -= -(-(table[i].nbytes - table[0].nbytes) // unit)
    return chosen[::-1]


def _steps(
    tables: Sequence[Sequence[Candidate]], chosen: Sequence[int], left: int
) -> Iterator[tuple[float, int, int]]:
    """What fits in `left` more bytes: the loss it saves, the tensor, its new candidate."""
    for n, (table, now) in enumerate(zip(tables, chosen, strict=True)):
        for i in range(now + 1, len(table)):
            if table[i].nbytes - table[now].nbytes <= left:
                yield table[now].loss - table[i].loss, n, i
