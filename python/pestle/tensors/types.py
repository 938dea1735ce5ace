"""The types that tensors are stored in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from pestle.quantization import row_bytes

TYPE_IDS: Final[Mapping[str, int]] = {
    "F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q5_0": 6, "Q5_1": 7, "Q8_0": 8, "Q2_K": 10,
    "Q3_K": 11, "Q4_K": 12, "Q5_K": 13, "Q6_K": 14, "IQ4_NL": 20, "IQ4_XS": 23, "BF16": 30,
    "MXFP4": 39,
}  # fmt: skip
"""GGUF's numbers of the types that tensors are read from and written in."""
FLOATS: Final = ("F32", "F16", "BF16")


def is_requantized(now: str, then: str) -> bool:
    """Whether numbers that were rounded to one block format are rounded to another.

    Floats are none, and FP8 is what its model was published in: nobody has more of it.
    """
    return now not in (*FLOATS, "FP8", then) and then not in FLOATS


def stored_bytes(kind: str, shape: tuple[int, ...]) -> int:
    """The bytes of a tensor; its last dimension is a whole number of the type's blocks."""
    return math.prod(shape[:-1]) * row_bytes(kind, shape[-1])
