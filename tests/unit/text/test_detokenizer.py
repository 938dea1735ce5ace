"""Text from tokens, one at a time."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pestle.tokenizer import Detokenizer, Tokenizer

from tests.unit.text.toy import SPACE, byte_level, spm

BYTE_LEVEL = Tokenizer.from_gguf(
    byte_level(("a|b",), control=("<|end|>",), user_defined=("<think>",))
)
SPM = Tokenizer.from_gguf(spm({f"{SPACE}a": 0.0, "ab": -1.0, SPACE: -2.0, "a": -3.0, "b": -4.0}))
TOKENIZERS = {"byte level": BYTE_LEVEL, "spm": SPM}
# Characters of every length, composed emoji, combining marks, and what needs care at the edges.
PIECES = st.sampled_from(
    ["a", "b", " ", "\u00e9", "\u20ac", "\u4f60", "\U0001f999", "\ufffd", "\U0001f468\u200d"]
)


def streamed(tokenizer: Tokenizer, ids: Iterable[int]) -> str:
    detokenizer = Detokenizer(tokenizer)
    return "".join([*map(detokenizer.push, ids), detokenizer.flush()])


@pytest.mark.parametrize("tokenizer", TOKENIZERS.values(), ids=TOKENIZERS)
@given(ids=st.lists(st.integers(0, 255)))
def test_any_tokens_come_out_as_when_decoded_at_once(tokenizer: Tokenizer, ids: list[int]) -> None:
    data = b"".join(
        tokenizer.token_bytes(token) for token in ids if not tokenizer.is_control(token)
    )
    if tokenizer.strips_space:
        data = data.removeprefix(b" ")
    assert streamed(tokenizer, ids) == tokenizer.decode(ids) == data.decode(errors="replace")


@pytest.mark.parametrize("tokenizer", TOKENIZERS.values(), ids=TOKENIZERS)
@given(text=st.one_of(st.text(), st.lists(PIECES).map("".join)))
def test_a_character_is_never_split(tokenizer: Tokenizer, text: str) -> None:
    detokenizer = Detokenizer(tokenizer)
    shown = ""
    for token in tokenizer.encode(text):
        shown += detokenizer.push(token)
        assert text.startswith(shown)
    assert shown + detokenizer.flush() == text


def test_an_incomplete_character_is_held_back() -> None:
    detokenizer = Detokenizer(BYTE_LEVEL)
    assert [detokenizer.push(byte) for byte in "\U0001f999".encode()] == ["", "", "", "\U0001f999"]


def test_what_cannot_become_a_character_comes_out_at_once() -> None:
    detokenizer = Detokenizer(BYTE_LEVEL)
    assert detokenizer.push(0xFF) == "\ufffd"
    assert detokenizer.push(0xE2) == ""
    assert detokenizer.push(ord("a")) == "\ufffda"
    assert detokenizer.flush() == ""


def test_the_end_lets_an_incomplete_character_go() -> None:
    detokenizer = Detokenizer(BYTE_LEVEL)
    assert detokenizer.push(0xE2) + detokenizer.push(0x82) == ""
    assert detokenizer.flush() == "\ufffd"


def test_control_tokens_have_no_text_unless_asked_for() -> None:
    ids = BYTE_LEVEL.encode("a<|end|><think>b", parse_special=True)
    assert streamed(BYTE_LEVEL, ids) == "a<think>b"
    spelled = Detokenizer(BYTE_LEVEL, skip_special=False)
    assert "".join(map(spelled.push, ids)) == "a<|end|><think>b"


def test_a_control_token_does_not_tear_a_character() -> None:
    first, *rest = "\u20ac".encode()
    (end,) = BYTE_LEVEL.encode("<|end|>", parse_special=True)
    assert streamed(BYTE_LEVEL, [first, end, *rest]) == "\u20ac"


def test_the_space_before_the_text_is_taken_off_once() -> None:
    (space_a,) = SPM.encode("a", add_special=False)
    assert streamed(SPM, [space_a, space_a]) == "a a"
    assert streamed(SPM, [1, space_a]) == "a"


def test_a_continued_text_keeps_its_space() -> None:
    (space_a,) = SPM.encode("a", add_special=False)
    assert Detokenizer(SPM, at_start=False).push(space_a) == " a"
