"""Importance matrices from files: llama.cpp's GGUF form, and the one before it (`.dat`).

The GGUF form has `general.type` "imatrix" and, for each tensor NAME, two of F32: NAME.in_sum2, ne
[columns, matrices], and NAME.counts, ne [1, matrices].
"""

from __future__ import annotations

import hashlib
import os
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pestle import files
from pestle._core import GgufFile, GgufTensor
from pestle.errors import Error, FormatError
from pestle.models.stamp import Stamp, contents_of, contents_stamp, open_stamped
from pestle.quantization.importance.matrix import Floats, Importance, ImportanceMatrix

SUMS, COUNTS = ".in_sum2", ".counts"
_LONGEST_NAME = 4096  # bytes; anything longer is not a name
_CHUNK = 8 << 20
_LONGEST = 4 << 30  # bytes of an old file; the largest models' have some hundreds of millions


def read_imatrix(path: str | os.PathLike[str]) -> ImportanceMatrix:
    """The importance matrix in the file `path`.

    FormatError: the file is none, malformed, or changed meanwhile. Error: it cannot be read.
    """
    path = Path(path)
    try:
        with files.reading(path) as stream:
            is_gguf = stream.read(4) == b"GGUF"
        if is_gguf:
            file, stamps = open_stamped(path)
            found, digest = _of_gguf(file), _sha256(path, contents_of(stamps[file.path]))
        else:
            data = files.read_bounded(path, _LONGEST)
            found, digest = _of_dat(path.name, data), hashlib.sha256(data).hexdigest()
    except OSError as error:
        raise Error(f"cannot read {path}: {error.strerror}") from error
    return replace(found, digest=digest, source=path.name)


def _sha256(path: Path, stamp: Stamp) -> str:
    digest = hashlib.sha256()
    with files.reading(path) as stream:
        while part := stream.read(_CHUNK):
            digest.update(part)
        if contents_stamp(os.fstat(stream.fileno())) != stamp:
            raise FormatError(f"{path} was changed or replaced while it was read")
    return digest.hexdigest()


def _of_gguf(file: GgufFile) -> ImportanceMatrix:
    name = Path(file.path).name
    kind = file.get("general.type")
    if kind != "imatrix":
        raise FormatError(f"{name}: general.type is {kind!r:.40}, expected 'imatrix'")
    there = {tensor.name: tensor for tensor in file.tensors}
    tensors = {}
    for full in there:
        weight, dot, part = full.rpartition(".")
        if f".{part}" not in (SUMS, COUNTS) or not dot:
            raise FormatError(f"{name}: tensor `{full}` does not belong to an importance matrix")
        for other in (weight + SUMS, weight + COUNTS):
            if other not in there:
                raise FormatError(f"{name}: tensor `{other}` is missing, which `{full}` asks for")
        if f".{part}" == SUMS:
            tensors[weight] = _importance(file, there[full], there[weight + COUNTS])
    if not tensors:
        raise FormatError(f"{name}: an importance matrix without tensors")
    datasets = file.get("imatrix.datasets", [])
    if not isinstance(datasets, list) or not all(isinstance(d, str) for d in datasets):
        raise FormatError(f"{name}: key `imatrix.datasets` is not a list of strings")
    chunks, size = (_count(file, name, f"imatrix.chunk_{key}") for key in ("count", "size"))
    return ImportanceMatrix(tensors, tuple(datasets), chunks, size)


def _count(file: GgufFile, name: str, key: str) -> int:
    found: Any = file.get(key, 0)
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        raise FormatError(f"{name}: key `{key}` is {found!r:.40}, expected a count")
    return found


def _importance(file: GgufFile, sums: GgufTensor, counts: GgufTensor) -> Importance:
    name = Path(file.path).name
    for tensor in (sums, counts):
        if tensor.type != "F32":
            raise FormatError(f"{name}: tensor `{tensor.name}` is {tensor.type}, expected F32")
    columns = sums.shape[0]
    matrices = int(np.prod(sums.shape[1:]))
    if int(np.prod(counts.shape)) != matrices or columns == 0 or matrices == 0:
        raise FormatError(
            f"{name}: tensor `{counts.name}` has the shape {list(counts.shape)}, expected "
            f"{[1, matrices]}, as `{sums.name}` is {list(sums.shape)}"
        )
    values = file.read(sums.name).view("<f4").reshape(matrices, columns)
    return _checked(name, sums.name, values, file.read(counts.name).view("<f4").reshape(matrices))


def _checked(file: str, name: str, sums: Floats, counts: Floats) -> Importance:
    for values in (sums, counts):
        if not (np.isfinite(values).all() and (values >= 0).all()):
            raise FormatError(
                f"{file}: `{name}` holds negative numbers, or some that are not finite"
            )
    return Importance(np.array(sums, np.float32), np.array(counts, np.float32))


class _Cursor:
    """The bytes of an old file, none of which is trusted."""

    def __init__(self, name: str, data: bytes) -> None:
        self._name, self._data, self._at = name, data, 0

    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, n: int, what: str) -> bytes:
        if n < 0 or n > self.left():
            raise FormatError(
                f"{self._name}: {what} takes {n:,} bytes, but {self.left():,} are left: neither "
                "GGUF nor an old importance matrix, or cut"
            )
        self._at += n
        return self._data[self._at - n : self._at]

    def integer(self, what: str) -> int:
        return int(struct.unpack("<i", self.take(4, what))[0])


def _of_dat(file: str, data: bytes) -> ImportanceMatrix:
    """Entries of name, calls and values, which are the mean squares times the calls."""
    cursor = _Cursor(file, data)
    tensors: dict[str, Importance] = {}
    n_entries = cursor.integer("the number of entries")
    if n_entries < 1:
        raise FormatError(f"{file}: {n_entries} entries, expected 1 or more")
    for i in range(n_entries):
        length = cursor.integer(f"entry {i}")
        if not 0 < length <= _LONGEST_NAME:
            raise FormatError(f"{file}: the name of entry {i} has {length} bytes")
        name = cursor.take(length, f"the name of entry {i}").decode("utf-8", "replace")
        calls, n_values = cursor.integer(name), cursor.integer(name)
        values = np.frombuffer(cursor.take(4 * n_values, f"`{name}`"), "<f4")
        if calls < 1 or n_values < 1:
            raise FormatError(f"{file}: `{name}` has {n_values} values of {calls} calls")
        tensors[name] = _checked(file, name, values.reshape(1, -1), np.array([calls], np.float32))
    if not cursor.left():
        return ImportanceMatrix(tensors)
    chunks = cursor.integer("the number of chunks")
    dataset = cursor.take(cursor.integer("the data set"), "the data set") if cursor.left() else b""
    return ImportanceMatrix(tensors, (dataset.decode("utf-8", "replace"),), max(chunks, 0))
