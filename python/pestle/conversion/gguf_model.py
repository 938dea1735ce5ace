"""A GGUF file as a model that is converted."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pestle._core import GgufFile
from pestle.conversion.manifest import OWN_KEYS
from pestle.errors import FormatError, ModelNotFoundError, UnsupportedError
from pestle.gguf.header import RawValue
from pestle.huggingface.architectures import ARCHITECTURES
from pestle.models.stamp import contents_of, open_stamped
from pestle.quantization import ModelFacts
from pestle.tensors.model import ModelTensor, SourceModel, TransformedTensor
from pestle.tensors.source_tensor import SourceTensor, StoredFile, StoredTensor, stored_tensors
from pestle.tensors.transforms import unchanged
from pestle.types import RUN

_OF_THE_FILE: Final = (OWN_KEYS, "split.", "general.alignment")
"""Beginnings of keys that say how a file came about or lies on the disk, not what it holds."""


def open_gguf(path: Path) -> SourceModel:
    """Open the GGUF file at `path`, or all files of the split model that begins there.

    Raises as GgufFile does, UnsupportedError for an architecture whose tensors are not known, or a
    tensor of a type that Pestle does not read, and ModelNotFoundError for a folder.
    """
    if path.is_dir():
        raise ModelNotFoundError(
            f"{path} is a folder, expected a GGUF file; `pestle convert` takes checkpoints"
        )
    file, stamps = open_stamped(path)
    by_shard = stored_tensors(file)
    for stored in (tensor for shard in by_shard for tensor in shard):
        if stored.dtype not in RUN:
            raise UnsupportedError(
                f"{stored} is {stored.dtype}, which is not read; expected {', '.join(RUN)}"
            )
    files = tuple(
        StoredFile(_name(n, len(by_shard)), Path(shard), contents_of(stamp), tensors)
        for n, (shard, stamp, tensors) in enumerate(
            zip(file.paths, stamps.values(), by_shard, strict=True)
        )
    )
    found = {tensor.name: tensor for shard in by_shard for tensor in shard}
    return SourceModel(
        path=Path(file.path),
        files=files,
        tensors=tuple(_copied(found[tensor.name]) for tensor in file.tensors),
        constants={},
        facts=_facts(file),
        keys=dict(_keys(file)),
        digests={},
        config={},
        verbatim=True,
    )


def _copied(stored: StoredTensor) -> ModelTensor:
    rows = (math.prod(stored.shape[:-1]), stored.shape[-1])
    source = SourceTensor(stored.dtype, rows, stored)
    return ModelTensor(stored.name, stored.shape, (TransformedTensor(source, unchanged),))


def _facts(file: GgufFile) -> ModelFacts:
    known = sorted({known.name for known in ARCHITECTURES.values()})
    architecture = file.get("general.architecture")
    if architecture not in known:
        raise UnsupportedError(
            f"{file.path}: the architecture {architecture!r:.40} is not known, nor which of "
            f"its tensors may be quantized; expected {', '.join(known)}"
        )
    heads = _count(file, f"{architecture}.attention.head_count")
    return ModelFacts(
        _count(file, f"{architecture}.block_count"),
        heads,
        _count(file, f"{architecture}.attention.head_count_kv", heads),
        _count(file, f"{architecture}.expert_count", 0),
    )


def _count(file: GgufFile, key: str, absent: int | None = None) -> int:
    found: Any = file.get(key, absent)
    if type(found) is not int or found < 0:
        raise FormatError(f"{file.path}: key `{key}` is {found!r:.40}, expected a count")
    return found


def _keys(file: GgufFile) -> Iterator[tuple[str, RawValue]]:
    """The file's metadata, value by value as it stands there."""
    for key in file.keys():  # noqa: SIM118
        if not key.startswith(_OF_THE_FILE):
            yield key, RawValue(file.encoded(key))


def _name(shard: int, n_shards: int) -> str:
    """What manifests call a file: what its owner calls it is not part of a model."""
    return "source.gguf" if n_shards == 1 else f"source-{shard + 1:05}-of-{n_shards:05}.gguf"
