"""Which tensors are probed together, so that the number of probes is bounded for any model."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

MAX_PROBES: Final = 64


def groups(names: Iterable[str], most: int = MAX_PROBES) -> list[tuple[str, ...]]:
    """The tensors in groups of neighbours: of one kind, in layers that follow each other.

    At most `most` groups, or one for each kind of tensor where there are more kinds; one for each
    tensor where that is few enough. In the order of the names.
    """
    names = list(names)
    if len(names) <= most:
        return [(name,) for name in names]
    kinds = {name: _kind(name) for name in names}
    layered = {kind for kind, layer in kinds.values() if layer >= 0}
    others = len({kind for kind, layer in kinds.values() if layer < 0})
    buckets = max(1, (most - others) // max(1, len(layered)))
    n_layers = 1 + max(layer for _, layer in kinds.values())
    found: dict[tuple[str, int], list[str]] = {}
    for name, (kind, layer) in kinds.items():
        found.setdefault((kind, max(layer, 0) * buckets // n_layers), []).append(name)
    return [tuple(group) for group in found.values()]


def _kind(name: str) -> tuple[str, int]:
    """What a tensor is, and of which layer; -1 for those of none."""
    match = re.fullmatch(r"blk\.(\d+)\.(.*)", name)
    return (match[2], int(match[1])) if match else (name, -1)
