"""One file of safetensors, which is hostile until its header has been checked.

    header length   u64, little-endian, at most 100 MB
    header          JSON: name -> {"dtype", "shape", "data_offsets": [begin, end]}, "__metadata__"
    data            the tensors, without gaps, overlaps or bytes behind the last

The format: https://github.com/huggingface/safetensors#format.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pestle.errors import Error, FormatError, UnsupportedError
from pestle.files import reading
from pestle.models.stamp import contents_stamp
from pestle.tensors.source_tensor import StoredFile, StoredTensor
from pestle.untrusted_json import LONGEST, parse_object

BYTES_OF: Final[Mapping[str, int]] = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1,
}  # fmt: skip
"""The bytes of an element, by dtype."""
_MOST_DIMENSIONS = 8
_PREFIX = struct.Struct("<Q")


@dataclass(frozen=True)
class SafetensorsFile(StoredFile):
    """`data_offset`: where the header ends."""

    data_offset: int


def open_safetensors(path: Path) -> SafetensorsFile:
    """Read and check the header of the file at `path`.

    Raises FormatError, which names the file and the tensor, for a header that is wrong or does not
    fit the file; UnsupportedError for a dtype that is not known; Error where it cannot be read.
    """
    try:
        with reading(path) as stream:
            stamp = contents_stamp(os.fstat(stream.fileno()))
            size = stamp[2]
            prefix = stream.read(_PREFIX.size)
            length = _PREFIX.unpack(prefix)[0] if len(prefix) == _PREFIX.size else size
            if length > min(LONGEST, size - _PREFIX.size):
                raise FormatError(
                    f"{path}: not a safetensors file, or cut off: its header has {length:,} bytes, "
                    f"the file {size:,}"
                )
            text = stream.read(length)
    except OSError as error:
        raise Error(f"cannot read {path}: {error.strerror}") from error
    if len(text) != length:
        raise FormatError(f"{path}: the header is cut off")
    header = parse_object(text, f"{path}: header")
    header.pop("__metadata__", None)
    begin = _PREFIX.size + length
    described = [_tensor(path, name, entry, begin) for name, entry in header.items()]
    tensors = tuple(sorted(described, key=lambda tensor: (tensor.offset, tensor.nbytes)))
    _check_layout(path, tensors, begin, size)
    return SafetensorsFile(path.name, path, stamp, tensors, begin)


def _tensor(path: Path, name: str, entry: object, begin: int) -> StoredTensor:
    where = f"{path.name}: tensor `{name:.100}`"
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise FormatError(f"{where} is not described by dtype, shape and data_offsets alone")
    dtype = entry["dtype"]
    if not isinstance(dtype, str) or dtype not in BYTES_OF:
        raise UnsupportedError(
            f"{where} has the dtype {dtype!r:.40}, expected one of {', '.join(BYTES_OF)}"
        )
    shape = _naturals(entry["shape"], f"{where}: shape")
    if len(shape) > _MOST_DIMENSIONS:
        raise FormatError(f"{where} has {len(shape)} dimensions, at most {_MOST_DIMENSIONS} occur")
    offsets = _naturals(entry["data_offsets"], f"{where}: data_offsets")
    if len(offsets) != 2 or offsets[0] > offsets[1]:
        raise FormatError(
            f"{where}: data_offsets are {list(offsets)!r:.80}, expected begin and end"
        )
    nbytes = math.prod(shape) * BYTES_OF[dtype]
    if offsets[1] - offsets[0] != nbytes:
        raise FormatError(
            f"{where} takes {offsets[1] - offsets[0]:,} bytes, "
            f"but {dtype} {'x'.join(map(str, shape))} takes {nbytes:,}"
        )
    return StoredTensor(name, dtype, shape, path, begin + offsets[0], nbytes)


def _naturals(found: Any, where: str) -> tuple[int, ...]:
    if not isinstance(found, list) or not all(type(n) is int and n >= 0 for n in found):
        raise FormatError(f"{where} is {found!r:.60}, expected a list of whole numbers")
    return tuple(found)


def _check_layout(path: Path, tensors: tuple[StoredTensor, ...], begin: int, size: int) -> None:
    """FormatError unless the tensors follow each other and end with the file."""
    end = begin
    for tensor in tensors:
        if tensor.offset != end:
            how = "overlaps the one before it" if tensor.offset < end else "follows a gap"
            raise FormatError(f"{tensor} {how}: it begins at byte {tensor.offset}, not {end}")
        end += tensor.nbytes
        if end > size:
            raise FormatError(f"{tensor} ends at byte {end:,}, the file after {size:,}: cut off?")
    if end != size:
        raise FormatError(f"{path}: {size - end:,} bytes belong to no tensor")
