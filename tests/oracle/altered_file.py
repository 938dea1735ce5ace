"""A copy of a GGUF file with other keys or tensors: what a faulty converter might have written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pestle._core import GgufFile
from pestle.gguf.header import HeaderTensor, aligned, header_bytes
from pestle.types import TYPES


def floats(path: Path, name: str) -> np.ndarray:
    """A tensor of F32, its dimensions as numpy has them."""
    file = GgufFile(path)
    (tensor,) = (t for t in file.tensors if t.name == name)
    assert tensor.type == "F32"
    return file.read(name).reshape(-1).view("<f4").reshape(tensor.shape[::-1]).copy()


def write(
    path: Path,
    source: Path,
    *,
    keys: Mapping[str, Any] | None = None,
    tensors: Mapping[str, np.ndarray] | None = None,
) -> Path:
    """`source` with other values for these keys, and for these tensors, uint8 or float32."""
    file = GgufFile(source)
    metadata = dict(zip(file.keys(), map(file.__getitem__, file.keys()), strict=True)) | dict(
        keys or {}
    )
    data = {t.name: file.read(t.name).tobytes() for t in file.tensors}
    for name, values in (tensors or {}).items():
        assert len(data[name]) == values.nbytes, name
        data[name] = values.tobytes()
    entries, offset = [], 0
    for t in file.tensors:
        entries.append(HeaderTensor(t.name, t.shape[::-1], TYPES[t.type].id, offset))
        offset = aligned(offset + t.nbytes)
    with path.open("wb") as stream:
        stream.write(header_bytes(metadata, entries))
        for t in file.tensors:
            stream.write(data[t.name].ljust(aligned(t.nbytes), b"\0"))
    return path
