"""Files that carry a whole Hugging Face tokenizer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pestle.errors import TokenizerError
from pestle.tokenizer import Tokenizer

from tests.unit.text.toy import byte_level, texts

KEY = "tokenizer.huggingface.json"
# No pre-tokenizer that Pestle knows: only the JSON can tell how to split.
METADATA = byte_level(
    ("a|b",), pre="of its own", control=("<bos>", "<|end|>"), user_defined=("<t>",), bos="<bos>"
)
TOKENS: list[str] = METADATA["tokenizer.ggml.tokens"]
TRUNCATION = {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0}
PRE_TOKENIZER = {
    "type": "ByteLevel",
    "add_prefix_space": False,
    "trim_offsets": True,
    "use_regex": True,
}


def description(**changes: Any) -> dict[str, Any]:
    added = {token: TOKENS.index(token) for token in ("<bos>", "<|end|>", "<t>")}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {
        "version": "1.0",
        "truncation": TRUNCATION,
        "padding": None,
        "added_tokens": [
            {"id": token, "content": text, "special": True, **flags}
            for text, token in added.items()
        ],
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": PRE_TOKENIZER,
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "BPE",
            "vocab": {text: n for n, text in enumerate(TOKENS) if text not in added},
            "merges": ["a b"],
        },
    } | changes


def tokenizer_of(**changes: Any) -> Tokenizer:
    return Tokenizer.from_gguf(METADATA | {KEY: json.dumps(description(**changes))})


def test_it_is_preferred() -> None:
    tokenizer = tokenizer_of()
    assert texts(tokenizer, tokenizer.encode("AB ab")) == ["ab", " ", "ab"]


def test_it_never_cuts_or_reads_control_tokens() -> None:
    tokenizer = tokenizer_of()
    text = "ab<|end|>ab<t>ab"
    assert tokenizer.decode(tokenizer.encode(text)) == text
    ids = tokenizer.encode(text, parse_special=True)
    assert texts(tokenizer, ids) == ["ab", "<|end|>", "ab", "<t>", "ab"]


@pytest.mark.parametrize("text", ["", "[]", "{}", "{", '{"added_tokens": [{}]}'])
def test_what_is_no_tokenizer_is_refused(text: str) -> None:
    with pytest.raises(TokenizerError, match=r"^tokenizer\.huggingface\.json is not a tokenizer: "):
        Tokenizer.from_gguf(METADATA | {KEY: text})


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"a": 1, "a": 2}', '{"added_tokens": [{"id": []}]}', '{"added_tokens": 5}'],
)
def test_hostile_json_is_refused(text: str) -> None:
    with pytest.raises(TokenizerError, match="is not a tokenizer: ") as raised:
        Tokenizer.from_gguf(METADATA | {KEY: text})
    assert len(str(raised.value)) < 500


def is_refused(text: str, **changes: Any) -> bool:
    try:
        tokenizer_of(**changes).encode(text)
    except TokenizerError:
        return True
    return False


def test_anything_in_any_place_is_refused_with_our_error() -> None:
    """`tokenizers` raises plain exceptions, and where it panics one that is not an Exception."""
    odd = [None, True, -1, 2**63, "", "\0", "(", [], ["x"], {}, {"type": "Sequence"}]
    text = "ab <t> \0\ufffd"
    refused = sum(is_refused(text, **{key: value}) for key in description() for value in odd)
    for step in ("Precompiled", "Replace", "Split", "Metaspace", "Prepend", "Strip", "Digits"):
        for value in odd:
            parts = dict.fromkeys(("precompiled_charsmap", "pattern", "content"), value)
            for key in ("normalizer", "pre_tokenizer"):
                refused += is_refused(text, **{key: {"type": step, **parts}})
    assert refused > 150


def test_another_vocabulary_is_refused() -> None:
    vocab = {text: n for n, text in enumerate(TOKENS)}
    swapped = vocab | {"!": vocab['"'], '"': vocab["!"]}
    model = {"type": "BPE", "vocab": swapped, "merges": []}
    with pytest.raises(TokenizerError, match=r"for token \d+, but tokenizer\.ggml\.tokens "):
        tokenizer_of(model=model)
    model = {"type": "BPE", "vocab": vocab | {"more": 999}, "merges": []}
    with pytest.raises(TokenizerError, match=f"has token 999, expected less than {len(TOKENS)}"):
        tokenizer_of(model=model)
