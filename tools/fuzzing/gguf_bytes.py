"""GGUF files put together byte by byte, so that any field can be wrong."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
_CODES = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "B", U64: "Q",
          I64: "q", F64: "d"}  # fmt: skip

Item = int | float | str | bytes


def string(text: str | bytes) -> bytes:
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return struct.pack("<Q", len(raw)) + raw


def _item(kind: int, value: Item) -> bytes:
    if kind == STRING:
        assert isinstance(value, str | bytes)
        return string(value)
    return struct.pack("<" + _CODES[kind], value)


def entry(key: str | bytes, kind: int, value: Item) -> bytes:
    """A metadata entry with a scalar."""
    return string(key) + struct.pack("<I", kind) + _item(kind, value)


def array(key: str | bytes, kind: int, items: Sequence[Item]) -> bytes:
    """A metadata entry with an array."""
    head = string(key) + struct.pack("<IIQ", ARRAY, kind, len(items))
    return head + b"".join(_item(kind, item) for item in items)


@dataclass(frozen=True)
class Tensor:
    """A tensor's description. The default is 8 floats: 32 bytes."""

    name: str | bytes = "a"
    dims: tuple[int, ...] = (8,)
    kind: int = 0
    offset: int = 0
    n_dims: int | None = None

    def pack(self) -> bytes:
        n_dims = len(self.dims) if self.n_dims is None else self.n_dims
        head = string(self.name) + struct.pack(f"<I{len(self.dims)}Q", n_dims, *self.dims)
        return head + struct.pack("<IQ", self.kind, self.offset)


def gguf(
    entries: Sequence[bytes] = (),
    tensors: Sequence[Tensor] = (),
    data: bytes = b"",
    *,
    magic: bytes = b"GGUF",
    version: int = 3,
    n_entries: int | None = None,
    n_tensors: int | None = None,
    alignment: int = 32,
) -> bytes:
    """A file; the counts are those of what is given unless they are given too."""
    counts = (
        len(tensors) if n_tensors is None else n_tensors,
        len(entries) if n_entries is None else n_entries,
    )
    header = magic + struct.pack("<IQQ", version, *counts)
    header += b"".join(entries) + b"".join(tensor.pack() for tensor in tensors)
    return header + b"\0" * (-len(header) % alignment) + data
