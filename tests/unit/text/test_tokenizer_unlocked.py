"""Long texts are tokenized as short ones are, and beside other threads."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator

import pytest
from pestle.tokenizer.unlocked import token_ids
from tokenizers import Tokenizer, models, pre_tokenizers

PARTS = ["to be ", "or not, ", "\u00fcber ", "\U0001f44b\u0001", "a" * 40, "\n\n  "]


@pytest.fixture
def tokenizer() -> Tokenizer:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("t", "o"), ("a", "a"), ("aa", "aa"), ("b", "e"), ("\u0120", "b")]
    texts = letters + [left + right for left, right in merges]
    model = models.BPE({text: n for n, text in enumerate(texts)}, merges)
    made = Tokenizer(model)
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return made


@pytest.fixture
def no_switches() -> Iterator[None]:
    """Whoever has the interpreter keeps it until they give it away."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    yield
    sys.setswitchinterval(before)


def test_the_length_of_a_text_changes_nothing(tokenizer: Tokenizer) -> None:
    text = "".join(PARTS) * 300
    alone = token_ids(tokenizer, "".join(PARTS))
    assert len(text) > 8192
    assert token_ids(tokenizer, text) == alone * 300
    assert token_ids(tokenizer, text) == tokenizer.encode(text, add_special_tokens=False).ids


def test_others_go_on_while_a_long_text_is_tokenized(
    tokenizer: Tokenizer, no_switches: None
) -> None:
    turns, ends = [0], threading.Event()

    def go_on() -> None:
        while not ends.is_set():
            turns[0] += 1
            time.sleep(0)  # gives the interpreter away

    other = threading.Thread(target=go_on)
    other.start()
    text = "to be or not " * 20_000
    try:
        before = turns[0]
        token_ids(tokenizer, text)
        after = turns[0]
    finally:
        ends.set()
        other.join()
    assert after > before
