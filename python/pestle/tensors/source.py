"""What is converted: files that are read once, from the first byte to the last, and what they hold.

A checkpoint of safetensors and a GGUF file are both a `SourceModel`; from here on nothing asks
which it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from pestle.models.stamp import Stamp
from pestle.tensors.transforms import Config
from pestle.types import TYPES

FP8_BLOCK: Final = 128
"""Rows, and columns, that share a scale."""
MXFP4_BLOCK: Final = TYPES["MXFP4"].block_elems


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor lies, and as what. `shape` as in numpy: the last dimension is contiguous."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    path: Path
    offset: int
    """Bytes from the beginning of the file."""
    nbytes: int

    def __str__(self) -> str:
        return f"{self.path.name}: tensor `{self.name}`"


@dataclass(frozen=True)
class StoredFile:
    """A file and its tensors, in the order of their bytes.

    name: what a manifest calls it. stamp: `contents_stamp` of what was opened.
    """

    name: str
    path: Path
    stamp: Stamp
    tensors: tuple[StoredTensor, ...]

    @property
    def size(self) -> int:
        """Bytes."""
        return self.stamp[2]


@dataclass(frozen=True)
class Source:
    """One tensor of the model.

    That of MXFP4 in safetensors is named as its blocks, which are rows, while the float tensor of
    the same name without that ending is (in, out).
    """

    encoding: str
    """GGUF's name of the type; or "fp8" or "mxfp4", whose scales safetensors hold apart."""
    shape: tuple[int, ...]
    """Of the values."""
    numbers: StoredTensor
    scales: StoredTensor | None = None

    @property
    def name(self) -> str:
        return self.numbers.name

    @property
    def type(self) -> str:
        """GGUF's name of the type that would hold the same; FP8 has none."""
        return self.encoding.upper()


class SourceModel(Protocol):
    """Files with all the weights of a model."""

    @property
    def path(self) -> Path:
        """What messages call it."""

    @property
    def files(self) -> Sequence[StoredFile]:
        """In the order in which they are read."""

    @property
    def config(self) -> Config:
        """What transforms ask."""


def total_bytes(model: SourceModel) -> int:
    """Of all files."""
    return sum(file.size for file in model.files)
