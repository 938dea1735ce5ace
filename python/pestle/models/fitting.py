"""Which models of the catalogue run on this machine, and which of them is the best choice.

Before anything is fetched: from sizes, free memory and the speed at which it is read. Where the
header of a model is known, `planning` tells it to the byte.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from pestle import memory
from pestle.models.catalogue import CATALOGUE
from pestle.models.entries import CatalogueEntry

Way = Literal["fits", "streams", "no"]
_SPARE: Final = 0.3e9
"""Bytes that a process needs beside weights, keys and values."""
_CACHE: Final = 0.06
"""Keys and values of 4,096 tokens, as a part of the weights: 2 to 11 % in the catalogue."""
_PROBES: Final = 2
"""Other programs can only make one slower than the machine is."""
_LEAST_SPEED: Final = 5.0
"""Tokens a second: people read about as fast."""
LADDER: Final = (
    "gpt-oss-120b",
    "qwen3-30b-a3b-2507",
    "gpt-oss-20b",
    "qwen3-4b-2507",
    "llama3.2-3b",
    "qwen3-1.7b",
    "llama3.2-1b",
    "qwen3-0.6b",
)
"""Names of general models, the best first. In a mixture of experts a token needs few of the
weights, which suits a CPU; those that think long before they answer are left out."""


@dataclass(frozen=True)
class Fit:
    """What to expect of a model here.

    memory  bytes that it needs with 4,096 tokens of context, about
    way     as in a plan: whether so many are free, or as many as it takes to stream its experts
    speed   tokens a second that it writes at most, by how fast memory is read; None: not known
    """

    entry: CatalogueEntry
    memory: int
    way: Way
    speed: float | None

    @property
    def fits(self) -> bool:
        """Whether all of it is in memory."""
        return self.way == "fits"


def fits_here(entries: Iterable[CatalogueEntry] = tuple(CATALOGUE.values())) -> list[Fit]:
    """What to expect of each of `entries` on this machine; takes a quarter of a second."""
    from pestle import _core

    available = memory.read().available
    bandwidth = max(_core.measure_bandwidth() for _ in range(_PROBES))
    return [expect(entry, available, bandwidth) for entry in entries]


def expect(entry: CatalogueEntry, available: int, bandwidth: float | None) -> Fit:
    """What to expect with so many bytes free, of which so many are read in a second."""
    needed = int(entry.size * (1 + _CACHE) + _SPARE)
    read = entry.size * entry.active_parameters / entry.parameters  # for a token
    if needed <= available:
        return Fit(entry, needed, "fits", bandwidth / read if bandwidth else None)
    # Of a mixture all that one token meets has to be there, if not less.
    streams = read < entry.size and read * (1 + _CACHE) + _SPARE <= available
    return Fit(entry, needed, "streams" if streams else "no", None)


def best_here() -> Fit | None:
    """The best general model that fits this machine and answers at a pace that people bear.

    None where not even a small one fits. Takes a quarter of a second.
    """
    return best(fits_here([CATALOGUE[name] for name in LADDER]))


def best(fits: list[Fit]) -> Fit | None:
    """The first of these that fits and is fast enough; the last one that fits, if none is."""
    fitting = [fit for fit in fits if fit.fits]
    fast = (fit for fit in fitting if fit.speed is None or fit.speed >= _LEAST_SPEED)
    return next(fast, fitting[-1] if fitting else None)
