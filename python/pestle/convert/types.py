"""The type that each tensor is stored in."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

from pestle.blocks import MIXTURES, ModelFacts, TensorFacts, mixture_types, row_bytes

TYPE_IDS: Final[Mapping[str, int]] = {
    "F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q5_0": 6, "Q5_1": 7, "Q8_0": 8, "Q2_K": 10,
    "Q3_K": 11, "Q4_K": 12, "Q5_K": 13, "Q6_K": 14, "IQ4_NL": 20, "IQ4_XS": 23, "BF16": 30,
    "MXFP4": 39,
}  # fmt: skip
"""GGUF's numbers of the types that a checkpoint is converted to."""
TARGETS: Final = tuple(MIXTURES)
"""What a model may be converted to."""
_OF_MXFP4: Final = {"F32": "F32", "F16": "BF16", "BF16": "BF16"}
"""What MXFP4 becomes, by mixture."""

Shapes = Mapping[str, tuple[int, ...]]
"""By name; dimensions as in numpy."""


def stored_types(
    shapes: Shapes, mxfp4: Iterable[str], mixture: str, model: ModelFacts
) -> dict[str, str]:
    """The type of each tensor in a model converted to `mixture`.

    As llama.cpp chooses, but for the tensors in `mxfp4`, which are that in the source and lose
    nothing: they stay as they are unless floats are wanted, and F16 has not their range.
    """
    facts = [TensorFacts(name, shape[::-1]) for name, shape in shapes.items()]
    types = mixture_types(mixture, facts, model)
    return types | dict.fromkeys(mxfp4, _OF_MXFP4.get(mixture, "MXFP4"))


def stored_bytes(kind: str, shape: tuple[int, ...]) -> int:
    """The bytes of a tensor; its last dimension is a whole number of the type's blocks."""
    return math.prod(shape[:-1]) * row_bytes(kind, shape[-1])
