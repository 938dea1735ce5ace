"""A model before it is converted: what its files hold, under GGUF's names, and all its metadata.

A checkpoint of safetensors and a GGUF file both become a `SourceModel`, once; from there on nothing
asks which it was. No weight has been read, and no option of a conversion has been applied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pestle.quantization import ModelFacts
from pestle.tensors.source_tensor import SourceTensor, StoredFile
from pestle.tensors.transforms import Config, Transform


class TransformedTensor(NamedTuple):
    """One tensor of the source, and what becomes of its values."""

    source: SourceTensor
    transform: Transform


@dataclass(frozen=True)
class ModelTensor:
    """A tensor of the new file. `shape` as in numpy: the last dimension is contiguous."""

    name: str
    shape: tuple[int, ...]
    inputs: tuple[TransformedTensor, ...]
    """What it is made of: equal shares that follow each other. None for a constant."""

    @property
    def type(self) -> str:
        """GGUF's name of the type that the source has; that of constants is F32."""
        return self.inputs[0].source.type if self.inputs else "F32"


@dataclass(frozen=True)
class SourceModel:
    """A model's files, opened: every header has been checked."""

    path: Path
    """What messages call it."""
    files: tuple[StoredFile, ...]
    """With all the weights, in the order in which they are read."""
    tensors: tuple[ModelTensor, ...]
    """In the order of the new file."""
    constants: Mapping[str, bytes]
    """The tensors that are computed, float32."""
    facts: ModelFacts
    keys: Mapping[str, Any]
    """GGUF's metadata."""
    digests: Mapping[str, str]
    """sha256 of the files that were read as a whole, by name."""
    config: Config
    """What transforms ask."""
    verbatim: bool
    """Whether tensors that keep their type are copied, bit for bit, and all that are not matrices
    keep theirs."""

    @property
    def nbytes(self) -> int:
        """Of all files."""
        return sum(file.size for file in self.files)
