"""The files that a model comes in, and the tensors that they hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pestle._core import GgufFile
from pestle.models.stamp import Stamp
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
class SourceTensor:
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


def stored_tensors(file: GgufFile) -> list[tuple[StoredTensor, ...]]:
    """The tensors of a GGUF file, or a split one, by shard and in the order of their bytes."""
    by_shard: list[list[StoredTensor]] = [[] for _ in file.paths]
    for tensor in file.tensors:
        by_shard[tensor.shard].append(
            StoredTensor(
                tensor.name,
                tensor.type,
                tuple(reversed(tensor.shape)),
                Path(file.paths[tensor.shard]),
                tensor.offset,
                tensor.nbytes,
            )
        )
    return [tuple(tensors) for tensors in by_shard]
