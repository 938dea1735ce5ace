"""The types that a tensor may be stored in, and which one it gets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pestle.gguf import FILE_TYPES


@dataclass(frozen=True)
class BlockType:
    """A type as GGUF has it: its number, and the elements and bytes of a block."""

    name: str
    id: int
    elements: int
    nbytes: int


TYPES: Final[Mapping[str, BlockType]] = {
    name: BlockType(name, number, elements, nbytes)
    for name, number, elements, nbytes in (
        ("F32", 0, 1, 4), ("F16", 1, 1, 2), ("BF16", 30, 1, 2), ("Q8_0", 8, 32, 34),
        ("MXFP4", 39, 32, 17),
    )
}  # fmt: skip
FILE_TYPE_IDS: Final[Mapping[str, int]] = {name: number for number, name in FILE_TYPES.items()}
"""`general.file_type` by name."""
TARGETS: Final = ("F32", "F16", "BF16", "Q8_0")
"""What the matrices of a model may be converted to."""
FLOATS: Final = ("F32", "F16", "BF16")


def stored_type(name: str, shape: tuple[int, ...], wanted: str, *, is_mxfp4: bool) -> str:
    """The type of tensor `name` (dimensions as in numpy) in a model converted to `wanted`.

    As llama.cpp's converter: vectors, norms, routers and whatever is no weight stay F32, and rows
    that the type's blocks do not divide become F16. MXFP4 in the source stays as it is, without
    loss, unless floats are wanted.
    """
    is_matrix = len(shape) > 1 and name.endswith(".weight")
    if not is_matrix or name.endswith(("_norm.weight", "ffn_gate_inp.weight")):
        return "F32"
    if is_mxfp4 and wanted not in FLOATS:
        return "MXFP4"
    return wanted if shape[-1] % TYPES[wanted].elements == 0 else "F16"


def stored_bytes(type_name: str, shape: tuple[int, ...]) -> int:
    """The bytes of a tensor; its last dimension is a whole number of blocks."""
    block = TYPES[type_name]
    return math.prod(shape) // block.elements * block.nbytes
