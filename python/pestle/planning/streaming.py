"""What experts that are read from the disk cost a token: by how many of them stay in memory.

Which experts a model asks for is only known once it runs. The shares of hits are those that were
published for trained models, by the share of experts that is resident (docs/planning.md).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pestle._core import TokenWork

# (resident share, hits): gpt-oss-120b up to 0.03, then Qwen3-30B-A3B, Gemma-4-26B, Qwen3.6-35B.
_LIKELY: Final = ((0.0, 0.0), (0.03, 0.27), (0.1, 0.5), (0.15, 0.58), (0.25, 0.74), (0.36, 0.83),
                  (0.54, 0.92), (1.0, 1.0))  # fmt: skip

# Of the shorter of products and reads: measured 0.35 to 0.75.
_NOT_HIDDEN: Final = 0.5


def hits(resident_share: float) -> tuple[float, float]:
    """(least, likely) share of a token's experts that are in memory when it asks for them.

    The least is that of a model that asks for all of its experts equally often.
    """
    for (below, low), (above, high) in pairwise(_LIKELY):
        if resident_share <= above:
            part = (resident_share - below) / (above - below)
            return resident_share, low + part * (high - low)
    return 1.0, 1.0


def prompt_seconds(compute: float, reads: float) -> float:
    """Of a prompt whose products hide the reads, or the other way round, but for a part.

    Packing what was read takes the threads that multiply (docs/planning.md).
    """
    return max(compute, reads) + _NOT_HIDDEN * min(compute, reads)


def expert_bytes(work: TokenWork) -> int:
    """Of all experts of all layers."""
    return sum(p.count * p.bytes for p in work.products if p.per_token < p.count)
