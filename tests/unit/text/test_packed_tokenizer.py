"""Published tokenizers, packed: nothing of them is lost."""

from __future__ import annotations

import hashlib
import json

import pytest

from tests.assets import tokenizer_json
from tests.packed_tokenizer import pack, unpack

PUBLISHED = {
    "qwen3": (2, "aeb13307a71acd8fe81861d94ad54ab689df773318809eed3cbe794b4492dae4"),
    "gptoss": (2, "0614fe83cadab421296e664e1f48f4261fa8fef6e03e63bb75c20f38e37d07d3"),
    "deepseek_v3": (4, "621ac2e32d0dba658404412318818aaa8ce8cda492e59830109d8da6b517fb41"),
}
"""Columns of indentation and sha256 of the published files."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_they_are_the_published_files(name: str) -> None:
    indent, digest = PUBLISHED[name]
    text = json.dumps(tokenizer_json(name), ensure_ascii=False, indent=indent)
    assert hashlib.sha256(text.encode()).hexdigest() == digest


def test_merges_as_text_and_as_pairs() -> None:
    vocabulary = {"a": 0, "b": 1, "ab": 2, "aba": 3}
    for merges in (["a b", "a ba", "ab a"], [["a", "b"], ["a", "ba"], ["ab", "a"]]):
        definition = {"added_tokens": [], "model": {"vocab": vocabulary, "merges": merges}}
        packed = pack(definition)
        assert packed["model"]["merges"] == [[], [], [1], [1, 2]]
        assert unpack(packed) == definition


@pytest.mark.parametrize(
    "model",
    [
        {"vocab": {"a": 0, "b": 1, "ab": 3}, "merges": ["a b"]},
        {"vocab": {"a": 0, "b": 1, "ab": 2, "ba": 3}, "merges": ["b a", "a b"]},
    ],
)
def test_other_orders_are_refused(model: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="the ids have gaps, or the merges are not in"):
        pack({"model": model})
