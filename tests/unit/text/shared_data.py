"""Real vocabularies and templates, which lie beside the repository on some machines."""

from __future__ import annotations

import json
import lzma
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pestle.tokenizer import Tokenizer

from tests.unit.text.toy import CONTROL, NORMAL, UNUSED, USER_DEFINED

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
# What makes converters mark an added token as CONTROL although it is not called special.
_LIKE_CONTROL = (("<|", "|>"), ("<\uff5c", "\uff5c>"))


def path_of(name: str) -> Path:
    """The path of a file under ../shared/data; skips the test where it is absent."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"../shared/data/{name} is not on this machine")
    return path


@cache
def tokenizer_json(name: str) -> dict[str, Any]:
    """A Hugging Face tokenizer.json."""
    with lzma.open(path_of(f"tok/{name}.tokenizer.json.xz")) as file:
        description: dict[str, Any] = json.load(file)
    return description


def metadata_of_json(name: str, pre: str) -> dict[str, Any]:
    """What a converter would write to GGUF for a Hugging Face byte-level tokenizer."""
    description = tokenizer_json(name)
    by_id: dict[int, tuple[str, int]] = {
        token: (text, NORMAL) for text, token in description["model"]["vocab"].items()
    }
    for added in description["added_tokens"]:
        text = added["content"]
        looks_special = any(text.startswith(a) and text.endswith(b) for a, b in _LIKE_CONTROL)
        kind = CONTROL if added["special"] or looks_special else USER_DEFINED
        by_id[added["id"]] = (text, kind)
    tokens = [by_id.get(n, (f"[PAD{n}]", UNUSED)) for n in range(max(by_id) + 1)]
    merges = description["model"]["merges"]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": pre,
        "tokenizer.ggml.tokens": [text for text, _ in tokens],
        "tokenizer.ggml.token_type": [kind for _, kind in tokens],
        "tokenizer.ggml.merges": [m if isinstance(m, str) else " ".join(m) for m in merges],
    }


@cache
def tokenizer_of_json(name: str, pre: str) -> Tokenizer:
    """The tokenizer of what `metadata_of_json` gives."""
    return Tokenizer.from_gguf(metadata_of_json(name, pre))
