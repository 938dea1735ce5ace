"""Importance matrices to llama.cpp's GGUF form, which `reading` describes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pestle import files
from pestle.errors import Error
from pestle.gguf.header import HeaderTensor, aligned, header_bytes
from pestle.quantization.importance.matrix import Floats, ImportanceMatrix
from pestle.quantization.importance.reading import COUNTS, SUMS

_F32 = 0  # GGUF's number


def write_imatrix(path: str | os.PathLike[str], matrix: ImportanceMatrix) -> ImportanceMatrix:
    """Write `matrix` to the file `path`, whole or not at all; what is there is replaced.

    The same matrix gives the same bytes. Returns it with their digest. Error: the system refuses.
    """
    path = Path(path)
    digest = hashlib.sha256()
    try:
        with files.placed(path) as stream:
            for data in _encoded(matrix):
                digest.update(data)
                stream.write(data)
    except OSError as error:
        raise Error(f"cannot write {path}: {error.strerror}") from error
    return replace(matrix, digest=digest.hexdigest(), source=path.name)


def _encoded(matrix: ImportanceMatrix) -> Iterator[bytes]:
    parts: list[tuple[str, Floats]] = []
    for name, found in sorted(matrix.tensors.items()):
        parts += [(name + SUMS, found.sums), (name + COUNTS, found.counts.reshape(-1, 1))]
    tensors, offset = [], 0
    for name, values in parts:
        tensors.append(HeaderTensor(name, values.shape, _F32, offset))
        offset = aligned(offset + values.nbytes)
    keys = {
        "general.type": "imatrix",
        "imatrix.datasets": list(matrix.datasets),
        "imatrix.chunk_count": matrix.chunks,
        "imatrix.chunk_size": matrix.chunk_size,
    }
    yield header_bytes(keys, tensors)
    for _, values in parts:
        data = values.astype("<f4").tobytes()
        yield data.ljust(aligned(len(data)), b"\0")
