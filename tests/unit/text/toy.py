"""Small vocabularies, as the metadata of a model file would hold them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pestle.tokenizer import Tokenizer
from pestle.tokenizer.byte_alphabet import CHAR_OF_BYTE

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
SPACE = "\u2581"


def mapped(text: str) -> str:
    """A text in the byte alphabet."""
    return "".join(CHAR_OF_BYTE[byte] for byte in text.encode())


def byte_level(
    merges: Iterable[str] = (),
    *,
    pre: str | None = "gpt-2",
    control: Iterable[str] = (),
    user_defined: Iterable[str] = (),
    unused: Iterable[str] = (),
    bos: str | None = None,
    eos: str | None = None,
    **keys: Any,
) -> dict[str, Any]:
    """A byte-level vocabulary: token n is byte n; then merges as "left|right", then the others."""
    pairs = [tuple(map(mapped, merge.split("|"))) for merge in merges]
    parts: dict[int, list[str]] = {
        NORMAL: [CHAR_OF_BYTE[byte] for byte in range(256)] + ["".join(pair) for pair in pairs],
        CONTROL: list(control),
        USER_DEFINED: list(user_defined),
        UNUSED: list(unused),
    }
    tokens = [text for texts in parts.values() for text in texts]
    metadata: dict[str, Any] = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [kind for kind, texts in parts.items() for _ in texts],
        "tokenizer.ggml.merges": [" ".join(pair) for pair in pairs],
    }
    if pre is not None:
        metadata["tokenizer.ggml.pre"] = pre
    for key, text in (("bos_token_id", bos), ("eos_token_id", eos)):
        if text is not None:
            metadata[f"tokenizer.ggml.{key}"] = tokens.index(text)
    return metadata | {f"tokenizer.ggml.{key}": value for key, value in keys.items()}


def spm(
    scores: Mapping[str, float],
    *,
    user_defined: Iterable[str] = (),
    with_bytes: bool = True,
    **keys: Any,
) -> dict[str, Any]:
    """A SentencePiece-style vocabulary: <unk>, <s>, </s>, 256 bytes, then the pieces."""
    parts: dict[int, list[str]] = {
        UNKNOWN: ["<unk>"],
        CONTROL: ["<s>", "</s>"],
        BYTE: [f"<0x{byte:02X}>" for byte in range(256)] if with_bytes else [],
        NORMAL: list(scores),
        USER_DEFINED: list(user_defined),
    }
    tokens = [text for texts in parts.values() for text in texts]
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [kind for kind, texts in parts.items() for _ in texts],
        "tokenizer.ggml.scores": [float(scores.get(text, 0.0)) for text in tokens],
    } | {f"tokenizer.ggml.{key}": value for key, value in keys.items()}


def texts(tokenizer: Tokenizer, ids: Iterable[int]) -> list[str]:
    """The tokens as text; bytes that are no text as such."""
    return [tokenizer.token_bytes(token).decode(errors="backslashreplace") for token in ids]
