"""A GGUF file as parts that can be changed one by one, and written whatever they are."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from typing import Any

from fuzzing import gguf_bytes
from fuzzing.gguf_bytes import ARRAY, BOOL, F32, I32, STRING, U32, Tensor, gguf

_ALIGNMENT = 32
_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}


@dataclass(frozen=True)
class Entry:
    """A metadata entry. `element`: the type of an array's elements; `raw`: it as bytes."""

    key: str | bytes
    kind: int
    value: Any
    element: int | None = None
    raw: bytes = b""

    def to_bytes(self) -> bytes:
        """As bytes, numbers wrapped to what their type holds."""
        if self.raw:
            return self.raw
        if self.kind != ARRAY:
            return gguf_bytes.entry(self.key, self.kind, fitted(self.kind, self.value))
        element = STRING if self.element is None else self.element
        items = [fitted(element, item) for item in self.value]
        return gguf_bytes.array(self.key, element, items)

    def changed(self, **parts: Any) -> Entry:
        """Another value, to be written anew."""
        return replace(self, **parts, raw=b"")


@dataclass(frozen=True)
class TensorData:
    """A tensor: its description, and its bytes. `offset`: None for where it comes to lie."""

    name: str | bytes
    dims: tuple[int, ...]
    kind: int
    data: bytes = field(repr=False)
    offset: int | None = None


@dataclass
class Document:
    """A whole file."""

    entries: list[Entry]
    parts: list[TensorData]
    version: int = 3
    counts: tuple[int | None, int | None] = (None, None)  # of entries and tensors, where they lie
    extra: dict[str, Any] = field(default_factory=dict)  # what makes of a model what it was

    def copy(self) -> Document:
        """With lists of its own."""
        return Document([*self.entries], [*self.parts], self.version, self.counts, self.extra)

    def to_bytes(self) -> bytes:
        """The file."""
        tensors, data, at = [], [], 0
        for part in self.parts:
            tensors.append(
                Tensor(part.name, part.dims, part.kind, at if part.offset is None else part.offset)
            )
            padded = part.data + bytes(-len(part.data) % _ALIGNMENT)
            data.append(padded)
            at += len(padded)
        return gguf(
            [entry.to_bytes() for entry in self.entries],
            tensors,
            b"".join(data),
            version=self.version,
            n_entries=self.counts[0],
            n_tensors=self.counts[1],
        )


def entry_of(key: str, value: Any) -> Entry:
    """A value as converters write it, already as bytes."""
    if isinstance(value, list):
        element = _kind(value[0]) if value else STRING
        made = Entry(key, ARRAY, value, I32 if element == U32 else element)
    else:
        made = Entry(key, _kind(value), value)
    return replace(made, raw=made.to_bytes())


def _kind(value: Any) -> int:
    return {bool: BOOL, int: U32, float: F32, str: STRING}[type(value)]


def fitted(kind: int, value: Any) -> Any:
    """A value as its type can hold it: wrapped, rounded or spelled."""
    if kind == STRING:
        return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
    if kind not in _BYTES:
        return b""
    if kind in (6, 12):
        number = float(value) if isinstance(value, (int, float)) else 0.0
        if kind == 6:
            try:
                struct.pack("<f", number)
            except OverflowError:
                return float("inf")
        return number
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = 0
    bits = 8 * _BYTES[kind]
    number &= (1 << bits) - 1
    signed = kind in (1, 3, 5, 11)
    return number - (1 << bits) if signed and number >> (bits - 1) else number
