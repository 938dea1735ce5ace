"""A GGUF file as what is converted: its weights are read as those of a checkpoint are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pestle._core import GgufFile, GgufTensor
from pestle.errors import ModelNotFoundError, UnsupportedError
from pestle.models.stamp import contents_of, open_stamped
from pestle.tensors.source import Source, StoredFile, StoredTensor
from pestle.tensors.transforms import Config
from pestle.types import RUN


@dataclass(frozen=True)
class GgufModel:
    """An opened file, or all files of a split one; no tensor has been read."""

    file: GgufFile
    files: tuple[StoredFile, ...]
    shapes: Mapping[str, tuple[int, ...]]
    """Of the tensors, as in numpy, by name and in the file's order."""
    sources: Mapping[str, Source]
    """The same as rows: (rows, columns)."""
    config: Config = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The file, or the first of them: what messages call it."""
        return Path(self.file.path)


def open_gguf(path: Path) -> GgufModel:
    """Open a GGUF file.

    Raises as GgufFile does, UnsupportedError for a tensor of a type that Pestle does not read, and
    ModelNotFoundError for a folder.
    """
    if path.is_dir():
        raise ModelNotFoundError(
            f"{path} is a folder, expected a GGUF file; `pestle convert` takes checkpoints"
        )
    file, stamps = open_stamped(path)
    paths = [Path(name) for name in file.paths]
    tensors = {
        tensor.name: (tensor, _stored(tensor, paths[tensor.shard])) for tensor in file.tensors
    }
    for tensor, stored in tensors.values():
        if tensor.type not in RUN:
            raise UnsupportedError(
                f"{stored} is {tensor.type}, which is not read; expected {', '.join(RUN)}"
            )
    files = tuple(
        StoredFile(
            _name(n, len(paths)),
            shard,
            contents_of(stamp),
            tuple(stored for tensor, stored in tensors.values() if tensor.shard == n),
        )
        for n, (shard, stamp) in enumerate(zip(paths, stamps.values(), strict=True))
    )
    shapes = {name: stored.shape for name, (_, stored) in tensors.items()}
    sources = {
        name: Source(tensor.type, (math.prod(stored.shape[:-1]), stored.shape[-1]), stored)
        for name, (tensor, stored) in tensors.items()
    }
    return GgufModel(file, files, shapes, sources)


def _stored(tensor: GgufTensor, path: Path) -> StoredTensor:
    shape = tuple(reversed(tensor.shape))
    return StoredTensor(tensor.name, tensor.type, shape, path, tensor.offset, tensor.nbytes)


def _name(shard: int, n_shards: int) -> str:
    """What manifests call a file: what its owner calls it is not part of a model."""
    return "source.gguf" if n_shards == 1 else f"source-{shard + 1:05}-of-{n_shards:05}.gguf"
