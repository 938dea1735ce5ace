"""Vocabularies of some 300 tokens, of both kinds of GGUF, with marks that formats look for."""

from __future__ import annotations

from typing import Any

from pestle.tokenizer.byte_alphabet import CHAR_OF_BYTE

SIZE = 304
MARKS = (
    "<s>", "</s>", "<|im_start|>", "<|im_end|>", "<think>", "</think>", "<tool_call>",
    "</tool_call>",
    "<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|call|>", "<|return|>", "<|constrain|>",
    "[TOOL_CALLS]", "[ARGS]", "[CALL_ID]", "<|python_tag|>", "<|eot_id|>",
    "<\uff5ctool\u2581calls\u2581begin\uff5c>", "<\uff5ctool\u2581call\u2581begin\uff5c>",
    "<\uff5ctool\u2581sep\uff5c>", "<\uff5ctool\u2581call\u2581end\uff5c>",
    "<\uff5ctool\u2581calls\u2581end\uff5c>",
)  # fmt: skip
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6
_MERGES = ("t h", "th e", "\u0120 t", "\u0120t h", "i n", "a n", "e r", "o n", "r e", "\u0120 a")


def byte_level() -> dict[str, Any]:
    """Byte-level BPE, as `gpt2` in GGUF."""
    tokens = [*CHAR_OF_BYTE.values(), *(merge.replace(" ", "") for merge in _MERGES), *MARKS]
    tokens += [f"<|unused_{n}|>" for n in range(SIZE - len(tokens))]
    n_text = len(CHAR_OF_BYTE) + len(_MERGES)
    return _keys("gpt2", tokens, [_NORMAL] * n_text + [_CONTROL] * (SIZE - n_text)) | {
        "tokenizer.ggml.pre": "qwen2",
        "tokenizer.ggml.merges": list(_MERGES),
    }


def sentencepiece() -> dict[str, Any]:
    """SentencePiece, as `llama` in GGUF: tokens with scores, and one for each byte."""
    pieces = ["\u2581", "a", "b", "e", "t", "h", "th", "the", "\u2581the", "n", "o", "\u2581a"]
    tokens = ["<unk>", *MARKS[:2], *(f"<0x{n:02X}>" for n in range(256)), *pieces]
    types = [_UNKNOWN, _CONTROL, _CONTROL] + [_BYTE] * 256 + [_NORMAL] * len(pieces)
    tokens += MARKS[2:]
    types += [_CONTROL] * (len(tokens) - len(types))
    tokens += [f"<unused{n}>" for n in range(SIZE - len(tokens))]
    types += [_NORMAL] * (SIZE - len(types))
    return _keys("llama", tokens, types) | {
        "tokenizer.ggml.scores": [-float(n) for n in range(SIZE)],
        "tokenizer.ggml.add_space_prefix": True,
    }


def _keys(model: str, tokens: list[str], types: list[int]) -> dict[str, Any]:
    return {
        "tokenizer.ggml.model": model,
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": types,
        "tokenizer.ggml.bos_token_id": tokens.index("<s>"),
        "tokenizer.ggml.eos_token_id": tokens.index("<|im_end|>"),
        "tokenizer.ggml.add_bos_token": True,
    }
