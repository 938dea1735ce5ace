"""Tokenizers of model files, alone: keys that are wrong, and texts that are hard."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

from pestle.errors import Error
from pestle.tokenizer import Detokenizer, Tokenizer

from fuzzing import chance, tiny_vocabularies
from fuzzing.kinds import Kind
from tests.oracle.checkpoint_folder import tokenizer as tokenizer_json

_PRE = (
    "default", "gpt-2", "llama-bpe", "qwen2", "qwen35", "deepseek-llm", "deepseek-coder",
    "deepseek-v3",
    "gpt-4o", "tekken", "smollm", "olmo", "falcon", "command-r", "refact", "starcoder", "",
)  # fmt: skip
_ROLES = ("bos", "eos", "eot", "eom", "unknown", "padding", "seperator", "mask", "fim_pad")


def _keys(rng: Random) -> dict[str, Any]:
    make = rng.choice((tiny_vocabularies.byte_level, tiny_vocabularies.sentencepiece))
    keys = make()
    if keys["tokenizer.ggml.model"] == "gpt2":
        keys["tokenizer.ggml.pre"] = rng.choice(_PRE)
        if rng.random() < 0.25:
            keys["tokenizer.huggingface.json"] = json.dumps(_json(rng, keys))
    keys[f"tokenizer.ggml.{rng.choice(_ROLES)}_token_id"] = rng.randrange(tiny_vocabularies.SIZE)
    return keys


def _json(rng: Random, keys: dict[str, Any]) -> Any:
    found = tokenizer_json(tiny_vocabularies.SIZE)
    found["model"]["vocab"] = {
        text: token for token, text in enumerate(keys["tokenizer.ggml.tokens"])
    }
    found["model"]["merges"] = keys["tokenizer.ggml.merges"]
    found["added_tokens"] = []
    return chance.mutated_json(found, rng) if rng.random() < 0.7 else found


def make(rng: Random) -> bytes:
    keys = _keys(rng)
    if rng.random() < 0.75:
        keys = chance.mutated_json(keys, rng)
    texts = ["the", *(chance.text(rng) for _ in range(4)), chance.text(rng) * rng.choice([3, 200])]
    return json.dumps({"keys": keys, "texts": texts}).encode()


def run(case: bytes, folder: Path, rng: Random) -> None:
    found = json.loads(case)
    keys = _as_in_a_file(found["keys"])
    tokenizer = Tokenizer.from_gguf(keys)
    for token in range(tokenizer.n_vocab):
        tokenizer.token_bytes(token)
    refusals = [error for text in found["texts"] if (error := _refusal(tokenizer, text, rng))]
    if refusals:
        raise refusals[0]


def _as_in_a_file(value: Any) -> Any:
    """With text as the bytes of a file give it: half a character is no UTF-8, but three bytes."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
    if isinstance(value, dict):
        return {_as_in_a_file(key): _as_in_a_file(item) for key, item in value.items()}
    return [_as_in_a_file(item) for item in value] if isinstance(value, list) else value


def _refusal(tokenizer: Tokenizer, text: str, rng: Random) -> Error | None:
    try:
        _round_trip(tokenizer, text, rng)
    except Error as error:
        return error
    return None


def _round_trip(tokenizer: Tokenizer, text: str, rng: Random) -> None:
    tokens = tokenizer.encode(text, parse_special=rng.random() < 0.5)
    assert all(0 <= token < tokenizer.n_vocab for token in tokens)
    whole = tokenizer.decode(tokens, skip_special=False)
    detokenizer = Detokenizer(tokenizer, skip_special=False)
    pieces = "".join(map(detokenizer.push, tokens)) + detokenizer.flush()
    assert pieces == whole
    mark = "\ufdd1"
    if mark not in text:
        tokenizer.encode_marked(tokenizer.mark_untrusted(text, mark), mark)
    tokenizer.encode_within(text)


KIND = Kind(make, run)
