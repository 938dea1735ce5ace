"""Every type that GGUF gives a tensor's numbers, and what Pestle does with it: one row each.

The only such table in Python; whatever depends on a type is computed from it. A test compares it
with `_core.types()`, which is what the C++ core knows. Nothing is imported for it but the standard
library, so that a command line may ask it at no cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final


@dataclass(frozen=True)
class Type:
    """A type of numbers in GGUF. Rows are whole blocks."""

    name: str
    id: int
    """In the entries of tensors."""
    block_elems: int
    """The numbers of a block."""
    block_bytes: int
    mixtures: Mapping[str, int] = field(default_factory=dict)
    """What files are called whose matrices have mostly this type, with the numbers that
    general.file_type gives them."""
    divergence: float = 0.0
    """The mean divergence, in nats, that rounding a sound model to the type explains. At least
    twice what small models have shown, which suffer most (docs/quantizing.md)."""
    narrow: str = "F16"
    """What takes its place where rows are not whole blocks of it."""
    runs: bool = True
    """Whether Pestle runs, and reads, tensors of it."""
    quantizable: bool = True
    """Whether Pestle writes tensors of it."""

    def fits(self, columns: int) -> bool:
        """Whether rows of so many columns are whole blocks."""
        return columns % self.block_elems == 0

    @property
    def bits(self) -> float:
        """Of a number, scales included."""
        return 8 * self.block_bytes / self.block_elems


def _foreign(name: str, number: int, block_elems: int, block_bytes: int, **mixtures: int) -> Type:
    """A type that Pestle only knows the size of."""
    return Type(name, number, block_elems, block_bytes, mixtures, runs=False, quantizable=False)


TYPES: Final[Mapping[str, Type]] = {
    row.name: row
    for row in (
        Type("F32", 0, 1, 4, {"F32": 0}, 1e-6),
        Type("F16", 1, 1, 2, {"F16": 1}, 2e-3),
        Type("BF16", 30, 1, 2, {"BF16": 32}, 2e-3),
        Type("Q8_0", 8, 32, 34, {"Q8_0": 7}, 0.05),
        Type("Q4_0", 2, 32, 18, {"Q4_0": 2}, 0.8),
        Type("Q4_1", 3, 32, 20, {"Q4_1": 3}, 0.8),
        Type("Q5_0", 6, 32, 22, {"Q5_0": 8}, 0.4),
        Type("Q5_1", 7, 32, 24, {"Q5_1": 9}, 0.4),
        Type("Q2_K", 10, 256, 84, {"Q2_K": 10, "Q2_K_S": 21}, 4.0, "Q4_0"),
        Type("Q3_K", 11, 256, 110, {"Q3_K_S": 11, "Q3_K_M": 12, "Q3_K_L": 13}, 1.5, "Q4_0"),
        Type("Q4_K", 12, 256, 144, {"Q4_K_S": 14, "Q4_K_M": 15}, 0.8, "Q5_0"),
        Type("Q5_K", 13, 256, 176, {"Q5_K_S": 16, "Q5_K_M": 17}, 0.4, "Q5_1"),
        Type("Q6_K", 14, 256, 210, {"Q6_K": 18}, 0.1, "Q8_0"),
        Type("IQ4_NL", 20, 32, 18, {"IQ4_NL": 25}, 0.8),
        Type("IQ4_XS", 23, 256, 136, {"IQ4_XS": 30}, 0.8, "IQ4_NL"),
        Type("MXFP4", 39, 32, 17, {"MXFP4_MOE": 38}, 1.5),
        _foreign("Q8_1", 9, 32, 36),
        _foreign("Q8_K", 15, 256, 292),
        _foreign("IQ2_XXS", 16, 256, 66, IQ2_XXS=19),
        _foreign("IQ2_XS", 17, 256, 74, IQ2_XS=20),
        _foreign("IQ3_XXS", 18, 256, 98, IQ3_XS=22, IQ3_XXS=23),
        _foreign("IQ1_S", 19, 256, 50, IQ1_S=24),
        _foreign("IQ3_S", 21, 256, 110, IQ3_S=26, IQ3_M=27),
        _foreign("IQ2_S", 22, 256, 82, IQ2_S=28, IQ2_M=29),
        _foreign("I8", 24, 1, 1),
        _foreign("I16", 25, 1, 2),
        _foreign("I32", 26, 1, 4),
        _foreign("I64", 27, 1, 8),
        _foreign("F64", 28, 1, 8),
        _foreign("IQ1_M", 29, 256, 56, IQ1_M=31),
        _foreign("TQ1_0", 34, 256, 54, TQ1_0=36),
        _foreign("TQ2_0", 35, 256, 66, TQ2_0=37),
        _foreign("NVFP4", 40, 64, 36, NVFP4=39),
        _foreign("Q1_0", 41, 128, 18, Q1_0=40),
        _foreign("Q2_0", 42, 64, 18, Q2_0=41),
    )
}
"""By name."""

RUN: Final = tuple(name for name, row in TYPES.items() if row.runs)
"""The types that Pestle runs and reads."""
QUANTIZABLE: Final = tuple(name for name, row in TYPES.items() if row.quantizable)
"""The types that Pestle writes."""
FLOATS: Final = tuple(name for name in RUN if TYPES[name].block_elems == 1)
"""Of these, the ones without scales."""
MIXTURES: Final[Mapping[str, str]] = {
    mixture: name for name in QUANTIZABLE for mixture in TYPES[name].mixtures
}
"""The mixtures that Pestle writes, and the type that most matrices of each have."""
FILE_TYPES: Final[Mapping[int, str]] = {
    number: mixture for row in TYPES.values() for mixture, number in row.mixtures.items()
}
"""Mixtures by general.file_type, those included that Pestle does not write."""
