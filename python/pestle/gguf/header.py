"""The head of a GGUF file as bytes: metadata and the list of tensors (cpp/gguf/format.h)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pestle.errors import FormatError

ALIGNMENT: Final = 32
_VERSION = 3


class U16(int):
    """Written as u16; other whole numbers as u32."""


class I32(int):
    """Written as i32."""


class RawValue(bytes):
    """Type and value as they stand in another file: `GgufFile.encoded`."""


@dataclass(frozen=True)
class HeaderTensor:
    """`shape`: dimensions as in numpy; `offset`: bytes from the beginning of the data."""

    name: str
    shape: tuple[int, ...]
    type_id: int
    offset: int


def aligned(n: int) -> int:
    """The next multiple of the alignment."""
    return -(-n // ALIGNMENT) * ALIGNMENT


def header_bytes(keys: Mapping[str, Any], tensors: Iterable[HeaderTensor]) -> bytes:
    """The bytes up to the data, padding included.

    Values: bool, int (u32; within arrays i32), float (f32), str, or a list of one of these, or of
    nothing: an empty list is one of strings; or RawValue.
    """
    entries = [entry_bytes(key, value) for key, value in keys.items()]
    infos = [
        _string(tensor.name)
        + struct.pack(f"<I{len(tensor.shape)}Q", len(tensor.shape), *reversed(tensor.shape))
        + struct.pack("<IQ", tensor.type_id, tensor.offset)
        for tensor in tensors
    ]
    head = b"GGUF" + struct.pack("<IQQ", _VERSION, len(infos), len(entries))
    found = b"".join([head, *entries, *infos])
    return found.ljust(aligned(len(found)), b"\0")


def entry_bytes(key: str, value: Any) -> bytes:
    """One key as it stands among the metadata; values as in `header_bytes`."""
    return _string(key) + _typed(value)


_U16, _U32, _I32, _F32, _BOOL, _STRING, _ARRAY = 2, 4, 5, 6, 7, 8, 9


def _typed(value: Any) -> bytes:
    if isinstance(value, RawValue):
        return value
    if isinstance(value, list):
        kind = _element(value)
        count = struct.pack("<IIQ", _ARRAY, kind, len(value))
        return count + b"".join(_scalar_bytes(kind, item) for item in value)
    kind = _scalar(value)
    return struct.pack("<I", kind) + _scalar_bytes(kind, value)


def _scalar(value: Any) -> int:
    by_type = {bool: _BOOL, U16: _U16, I32: _I32, int: _U32, float: _F32, str: _STRING}
    return by_type[type(value)]


def _element(values: list[Any]) -> int:
    kinds = {_I32 if type(value) is int else _scalar(value) for value in values} or {_STRING}
    if len(kinds) > 1:
        raise TypeError("an array holds values of several types")
    return kinds.pop()


def _scalar_bytes(kind: int, value: Any) -> bytes:
    if kind == _STRING:
        return _string(value)
    formats = {_U16: "<H", _U32: "<I", _I32: "<i", _F32: "<f", _BOOL: "<?"}
    return struct.pack(formats[kind], value)


def _string(text: str) -> bytes:
    try:
        encoded = text.encode()
    except UnicodeEncodeError as error:  # JSON can spell lone surrogates
        raise FormatError(f"{text!r:.60} is not text: it holds half a character") from error
    return struct.pack("<Q", len(encoded)) + encoded
