"""The byte-level tokenizer, on a vocabulary small enough to know."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pestle.errors import Error, TokenizerError
from pestle.tokenizer import Tokenizer
from pestle.tokenizer.byte_alphabet import BYTE_OF_CHAR, CHAR_OF_BYTE

from tests.unit.text.toy import byte_level, mapped, texts

MERGES = ("h|e", "l|l", "he|ll", "hell|o", " |w", "o|r")
CHAT = byte_level(
    MERGES,
    control=("<bos>", "<|im_start|>", "<|im_end|>", "<|im_end|>!"),
    user_defined=("<think>", "</think>"),
    unused=("[PAD1]", "[PAD2]"),
    bos="<bos>",
    eos="<|im_end|>",
)


@pytest.fixture(scope="module")
def chat() -> Tokenizer:
    return Tokenizer.from_gguf(CHAT)


def test_the_alphabet_is_a_bijection() -> None:
    assert len(set(CHAR_OF_BYTE.values())) == 256
    assert {BYTE_OF_CHAR[char] for char in CHAR_OF_BYTE.values()} == set(range(256))
    assert CHAR_OF_BYTE[0x20] == "\u0120"
    assert CHAR_OF_BYTE[0x0A] == "\u010a"


def test_merges_apply_by_rank(chat: Tokenizer) -> None:
    assert texts(chat, chat.encode("hello world")) == ["hello", " w", "or", "l", "d"]


def test_bytes_of_a_character_are_tokens(chat: Tokenizer) -> None:
    assert chat.encode("\u20ac") == [0xE2, 0x82, 0xAC]
    assert chat.token_bytes(0xE2) == b"\xe2"
    assert chat.token_text(0x20) == "\u0120"


def test_control_tokens_are_text_unless_asked_for(chat: Tokenizer) -> None:
    spelled = chat.encode("<|im_end|>")
    assert not any(chat.is_control(token) for token in spelled)
    assert chat.decode(spelled) == "<|im_end|>"
    (token,) = chat.encode("<|im_end|>", parse_special=True)
    assert token == chat.eos_id
    assert chat.is_control(token)
    assert chat.decode([token]) == ""
    assert chat.decode([token], skip_special=False) == "<|im_end|>"


def test_the_longest_control_token_wins(chat: Tokenizer) -> None:
    ids = chat.encode("a<|im_end|>!b<|im_end|>", parse_special=True)
    assert texts(chat, ids) == ["a", "<|im_end|>!", "b", "<|im_end|>"]


def test_user_defined_tokens_are_always_found(chat: Tokenizer) -> None:
    ids = chat.encode("he<think>he</think>")
    assert texts(chat, ids) == ["he", "<think>", "he", "</think>"]
    assert not any(map(chat.is_control, ids))
    assert chat.decode(ids) == "he<think>he</think>"


def test_unused_tokens_are_suppressed(chat: Tokenizer) -> None:
    assert {chat.token_text(token) for token in chat.suppressed_ids} == {"[PAD1]", "[PAD2]"}
    assert chat.suppressed_ids.isdisjoint(chat.encode("[PAD1]", parse_special=True))


def test_suppress_tokens_adds_to_them() -> None:
    tokenizer = Tokenizer.from_gguf(byte_level(suppress_tokens=[7, 9]))
    assert tokenizer.suppressed_ids == {7, 9}


def test_bos_only_where_the_file_says_so() -> None:
    metadata = byte_level(control=("<bos>", "<eos>"), bos="<bos>", eos="<eos>")
    plain = Tokenizer.from_gguf(metadata)
    assert plain.encode("a") == [ord("a")]
    both = Tokenizer.from_gguf(
        metadata | {"tokenizer.ggml.add_bos_token": True, "tokenizer.ggml.add_eos_token": True}
    )
    assert both.encode("a") == [both.bos_id, ord("a"), both.eos_id]
    assert both.encode("") == [both.bos_id, both.eos_id]
    assert both.encode("a", add_special=False) == [ord("a")]


def test_bos_is_never_doubled() -> None:
    tokenizer = Tokenizer.from_gguf(byte_level(control=("<bos>",), bos="<bos>", add_bos_token=True))
    once = [tokenizer.bos_id, ord("a")]
    assert tokenizer.encode("<bos>a", parse_special=True) == once
    assert tokenizer.encode("a", parse_special=True) == once
    assert tokenizer.encode("<bos>a")[1:] == tokenizer.encode("<bos>a", add_special=False)


def test_llama3_wants_bos_unless_told_otherwise() -> None:
    metadata = byte_level(pre="llama-bpe", control=("<bos>",), bos="<bos>")
    assert Tokenizer.from_gguf(metadata).add_bos
    assert not Tokenizer.from_gguf(metadata | {"tokenizer.ggml.add_bos_token": False}).add_bos


def test_without_ids_there_is_no_bos_and_no_eos() -> None:
    tokenizer = Tokenizer.from_gguf(byte_level(add_bos_token=True))
    assert (tokenizer.bos_id, tokenizer.eos_id, tokenizer.eot_id) == (None, None, None)
    assert tokenizer.eog_ids == frozenset()
    assert tokenizer.encode("a") == [ord("a")]


def test_a_whole_piece_is_a_token_where_merges_are_ignored() -> None:
    metadata = byte_level(("a|b",), pre="llama-bpe", control=("<bos>",))
    tokens = [*metadata["tokenizer.ggml.tokens"], "cde"]
    types = [*metadata["tokenizer.ggml.token_type"], 1]
    more = {"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": types}
    assert Tokenizer.from_gguf(metadata | more).encode("cde") == [len(tokens) - 1]
    by_merges = metadata | more | {"tokenizer.ggml.pre": "gpt-2"}
    assert Tokenizer.from_gguf(by_merges).encode("cde") == list(b"cde")


def test_qwen_normalizes_to_nfc() -> None:
    decomposed = "e\u0301"
    assert Tokenizer.from_gguf(byte_level(pre="qwen2")).encode(decomposed) == list(b"\xc3\xa9")
    assert Tokenizer.from_gguf(byte_level()).encode(decomposed) == list(b"e\xcc\x81")


def test_a_merge_may_begin_with_a_space() -> None:
    # Parts that were never mapped to the byte alphabet can hold spaces.
    metadata = byte_level(user_defined=(" ", " a"))
    metadata["tokenizer.ggml.merges"] = ["  a"]
    assert Tokenizer.from_gguf(metadata).n_vocab == 258


def test_text_that_the_vocabulary_lacks_is_an_error() -> None:
    metadata = byte_level()
    metadata["tokenizer.ggml.tokens"][4] = "never"
    tokenizer = Tokenizer.from_gguf(metadata)
    with pytest.raises(Error, match=r"cannot express the character U\+0004"):
        tokenizer.encode("a\x04b")


def test_lone_surrogates_are_an_error(chat: Tokenizer) -> None:
    with pytest.raises(Error, match=r"lone surrogate U\+D800"):
        chat.encode("a\ud800")


@pytest.mark.parametrize("token", [-1, 10**6])
def test_ids_outside_the_vocabulary(chat: Tokenizer, token: int) -> None:
    for ask in (chat.token_bytes, chat.token_text, lambda token: chat.decode([token])):
        with pytest.raises(IndexError, match=f"token {token} is outside the vocabulary of "):
            ask(token)


@given(st.text())
def test_decoding_undoes_encoding(text: str) -> None:
    tokenizer = Tokenizer.from_gguf(CHAT)
    assert tokenizer.decode(tokenizer.encode(text)) == text


@pytest.mark.parametrize("merge", ["ab", "a ", "a", ""])
def test_malformed_merges_are_refused(merge: str) -> None:
    metadata = byte_level(("a|b",))
    metadata["tokenizer.ggml.merges"].append(merge)
    with pytest.raises(TokenizerError, match=r"tokenizer\.ggml\.merges element 1 is .* two tokens"):
        Tokenizer.from_gguf(metadata)


def test_merges_of_no_tokens_are_refused() -> None:
    metadata = byte_level() | {"tokenizer.ggml.merges": [f"a {mapped('bc')}"]}
    with pytest.raises(TokenizerError, match=r"merges does not fit the tokens: .*`bc`"):
        Tokenizer.from_gguf(metadata)


def test_a_token_that_is_no_utf8_is_refused() -> None:
    metadata = byte_level()
    metadata["tokenizer.ggml.tokens"][0] = b"\xff".decode(errors="surrogateescape")
    with pytest.raises(TokenizerError, match=r"tokens element 0 is not UTF-8"):
        Tokenizer.from_gguf(metadata)
