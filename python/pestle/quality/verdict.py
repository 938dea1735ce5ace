"""Whether a divergence is what a file's types explain, or something else is wrong with it.

The limits are at least twice what sound files have shown, those of small models, which suffer most
(SmolLM2-135M: docs/quantizing.md). They are no grades: a file may lie within them
and still be a poor one, which its figures tell. They catch what is no rounding: a wrong rotary
base, experts in another order, rows that were not permuted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pestle.quality.figures import Figures
from pestle.types import FLOATS, RUN, TYPES

_SHARE = 0.01
"""Of a model's elements: a type with fewer does not count."""


def limit(types: Mapping[str, int], reference: Mapping[str, int]) -> float:
    """What the types of a model explain, compared with a reference; both: elements of each type."""
    theirs = _main(reference)
    rounded = [_explained("F32")]
    for kind in _main(types):
        # 16-bit floats round nothing of a reference that has no others.
        if kind in _HALVES and theirs <= {kind}:
            continue
        rounded.append(_explained(kind))
    return max(rounded) + max(map(_explained, theirs - set(FLOATS)), default=0.0)


def problems_of(
    found: Figures, types: Mapping[str, int], reference: Mapping[str, int]
) -> list[str]:
    """What the figures of a model with a reference tell against it; `types` of both."""
    assert found.divergence is not None
    explained, mean = limit(types, reference), found.divergence.mean
    if mean <= explained:
        return []
    kinds = ", ".join(sorted(_main(types)))
    measured = f"its mean divergence is {mean:.3g} nats"
    wanted = f"where its types ({kinds}) explain {explained:.2g} at most"
    return [f"{measured}, {wanted}: this is another model, or it was converted wrongly"]


def _main(types: Mapping[str, int]) -> set[str]:
    least = _SHARE * sum(types.values())
    return {kind for kind, n in types.items() if n >= least}


def _explained(kind: str) -> float:
    """Mean divergence, in nats, that rounding to a type explains."""
    return TYPES[kind].divergence if kind in RUN else _MOST


_HALVES: Final = {"F16", "BF16"}
_MOST: Final = max(TYPES[kind].divergence for kind in RUN)
