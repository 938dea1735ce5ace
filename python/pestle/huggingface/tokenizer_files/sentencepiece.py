"""tokenizer.model: SentencePiece's own file, a protocol buffer of which little is needed.

    ModelProto       1: SentencePiece (each), 2: TrainerSpec, 3: NormalizerSpec
    SentencePiece    1: piece (string), 2: score (float), 3: type (as in GGUF; NORMAL if absent)
    TrainerSpec      3: model_type (1 unigram, 2 BPE)
    NormalizerSpec   3: add_dummy_prefix (true if absent)

https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pestle.errors import TokenizerError
from pestle.untrusted_json import read_bytes

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_BPE = 2
NORMAL = 1


@dataclass(frozen=True)
class VocabularyPiece:
    text: str
    score: float
    type: int


@dataclass(frozen=True)
class SentencePieceModel:
    """The pieces in the order of their ids."""

    pieces: tuple[VocabularyPiece, ...]
    add_space_prefix: bool


def read_sentencepiece(path: Path) -> SentencePieceModel:
    """Read a tokenizer.model; TokenizerError: malformed, or not BPE. Otherwise as `read_bytes`."""
    data = read_bytes(path)
    pieces: list[VocabularyPiece] = []
    prefix = True
    model_type: bytes | int = 1
    try:
        for field, value in _fields(data):
            if field == 1 and isinstance(value, bytes):
                pieces.append(_piece(value))
            elif field == 2 and isinstance(value, bytes):
                model_type = dict(_fields(value)).get(3, model_type)
            elif field == 3 and isinstance(value, bytes):
                prefix = bool(dict(_fields(value)).get(3, 1))
    except (IndexError, struct.error, UnicodeDecodeError, ValueError) as error:
        raise TokenizerError(f"{path}: not a SentencePiece model: {error}") from error
    if model_type != _BPE:
        raise TokenizerError(f"{path}: model type {model_type!r}, expected {_BPE} (BPE)")
    return SentencePieceModel(tuple(pieces), prefix)


def _piece(data: bytes) -> VocabularyPiece:
    found = dict(_fields(data))
    text, score, kind = found.get(1, b""), found.get(2, b"\0\0\0\0"), found.get(3, NORMAL)
    if not isinstance(text, bytes) or not isinstance(score, bytes) or not isinstance(kind, int):
        raise ValueError("a piece has fields of other types")
    return VocabularyPiece(text.decode(), struct.unpack("<f", score)[0], kind)


def _fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """The fields of a message: number and value, floats as their bytes."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == _VARINT:
            value, at = _varint(data, at)
            yield tag >> 3, value
            continue
        if wire == _BYTES:
            length, at = _varint(data, at)
        elif wire in (_FIXED32, _FIXED64):
            length = 4 if wire == _FIXED32 else 8
        else:
            raise ValueError(f"wire type {wire}")
        if at + length > len(data):
            raise ValueError("it is cut off")
        yield tag >> 3, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number of more than 64 bits")
