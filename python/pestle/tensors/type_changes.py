"""The types that tensors are stored in."""

from __future__ import annotations

import math

from pestle.quantization import row_bytes
from pestle.types import FLOATS


def is_requantized(now: str, then: str) -> bool:
    """Whether numbers that were rounded to one block format are rounded to another.

    Floats are none, and FP8 is what its model was published in: nobody has more of it.
    """
    return now not in (*FLOATS, "FP8", then) and then not in FLOATS


def stored_bytes(kind: str, shape: tuple[int, ...]) -> int:
    """The bytes of a tensor; its last dimension is a whole number of the type's blocks."""
    return math.prod(shape[:-1]) * row_bytes(kind, shape[-1])
