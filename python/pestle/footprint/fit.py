"""Whether a model fits into some memory: whole, with its experts streamed from the disk, or not.

All sizes are the engine's own (`footprint.items`, `_core.expert_layout`), told from the header.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from pestle import _core
from pestle.footprint.items import ANSWERS, Footprint, Use, footprint

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pestle._core import GgufFile
    from pestle.options import EngineOptions

LEAST_CONTEXT: Final = 4096
"""Tokens: a shorter context is proposed to nobody who has not asked for one."""
STREAMED_CONTEXT: Final = 8192
"""Nor a longer one where experts are streamed: each token of it takes memory from them."""

Way = Literal["fits", "streams", "no"]


@dataclass(frozen=True)
class Fit:
    """How a model runs in a memory.

    Attributes:
        way: "fits": all of it resident; "streams": experts from the disk; "no".
        memory: Bytes by item; experts: those that stay in memory.
        n_ctx: Tokens of context that this is of.
        longest: Tokens of context that the model was made for.
        budget: Bytes that there are.
        slots: Experts that stay in memory.
        experts: Those of all layers; 0: the model has none.
    """

    way: Way
    memory: Footprint
    n_ctx: int
    longest: int
    budget: int
    slots: int
    experts: int

    @property
    def needed(self) -> int:
        """Bytes that it takes. The cache of texts that are over takes what is left."""
        return self.memory.total - self.memory.prefix_cache

    @property
    def resident_share(self) -> float:
        """Of its experts, how many stay in memory."""
        return self.slots / self.experts if self.experts else 1.0


def fit(file: GgufFile, options: EngineOptions, budget: int, use: Use = ANSWERS) -> Fit:
    """The best way to run the file within `budget` bytes.

    Where no context is asked for, a shorter one than the model's is taken if only that fits whole,
    then one with which experts have to be streamed. Raises FormatError and UnsupportedError.
    """
    layout = _core.expert_layout(file)
    all_experts = layout.n_experts
    longest = footprint(file, replace(options, n_ctx=0), use).n_ctx
    contexts = [options.n_ctx] if options.n_ctx else list(_shorter(longest))
    tried = [footprint(file, replace(options, n_ctx=n), use) for n in contexts]

    def found(way: Way, memory: Footprint, slots: int) -> Fit:
        return Fit(way, memory, memory.n_ctx, longest, budget, slots, all_experts)

    for memory in tried:
        whole = found("fits", memory, all_experts)
        if whole.needed <= budget:
            return whole
    short = [memory for memory in tried if memory.n_ctx <= STREAMED_CONTEXT] or tried
    for memory in short if all_experts else ():
        rest = memory.total - memory.prefix_cache - memory.experts
        slots = layout.slots(max(0, budget - rest))
        if slots:
            return found("streams", replace(memory, experts=layout.bytes(slots)), slots)
    least = tried[-1]
    if all_experts:
        least = replace(least, experts=layout.bytes(layout.min_slots))
    return found("no", least, layout.min_slots)


def _shorter(longest: int) -> Iterator[int]:
    """The contexts that are tried: the model's own, then half as long each time."""
    yield longest
    n = longest // 2
    while n >= LEAST_CONTEXT:
        yield n
        n //= 2
