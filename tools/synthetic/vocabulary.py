"""A real tokenizer, taken from a GGUF file and padded to a shape's vocabulary."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf

TOKENS = "tokenizer.ggml.tokens"
# What each padding token has in the arrays that hold a value for every token.
PADDING = {"tokenizer.ggml.scores": 0.0, "tokenizer.ggml.token_type": int(gguf.TokenType.UNUSED)}


@dataclass(frozen=True)
class Value:
    """A metadata value with the types that GGUFWriter wants."""

    value: Any
    kind: gguf.GGUFValueType
    item: gguf.GGUFValueType | None


def read(path: Path) -> dict[str, Value]:
    """All tokenizer.* keys of a file."""
    found = {}
    for key, field in gguf.GGUFReader(path).fields.items():
        if key.startswith("tokenizer."):
            item = field.types[1] if len(field.types) > 1 else None
            found[key] = Value(field.contents(), field.types[0], item)
    if TOKENS not in found:
        raise ValueError(f"{path}: no {TOKENS}")
    return found


def pad(vocabulary: dict[str, Value], n_vocab: int) -> dict[str, Value]:
    """The same with `n_vocab` tokens. The added ones are marked as unused."""
    n = len(vocabulary[TOKENS].value)
    if n > n_vocab:
        raise ValueError(f"the tokenizer has {n} tokens, the shape {n_vocab}")
    padded = dict(vocabulary)
    for key, filler in PADDING.items():
        if key in padded:
            padded[key] = _extended(padded[key], [filler] * (n_vocab - n))
    padded[TOKENS] = _extended(padded[TOKENS], [f"[PAD{i}]" for i in range(n, n_vocab)])
    return padded


def _extended(value: Value, more: list[Any]) -> Value:
    return Value([*value.value, *more], value.kind, value.item)
