"""The SentencePiece-style tokenizer, against the same vocabulary as a merge list."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pestle.errors import Error, TokenizerError
from pestle.tokenizer import Tokenizer
from tokenizers import Tokenizer as HfTokenizer
from tokenizers import models, normalizers

from tests.unit.text.toy import NORMAL, SPACE, spm, texts

# Single characters come last in such vocabularies, and their scores are the lowest.
PIECES = (
    *(f"{SPACE}t", "he", "in", f"{SPACE}a", f"{SPACE}the", "an", "and", f"{SPACE}and", "hen"),
    *(f"{SPACE}{SPACE}", "aa", "aaaa", "ab", "ba", "\u4f60\u597d", f"{SPACE}\u4f60"),
    *(SPACE, *"abdehint", "\u4f60", "\u597d"),
)
SCORES = {piece: -float(n) for n, piece in enumerate(PIECES)}
LLAMA = spm(SCORES)
TEXT = st.text(st.sampled_from("abdehint \u4f60\u597dx\n\u20ac"))


def by_merge_list(metadata: dict[str, Any]) -> HfTokenizer:
    """The same tokenizer as `tokenizers` builds it: all pairs that make a token, by score."""
    tokens, kinds = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
    scores = metadata["tokenizer.ggml.scores"]
    ids = {text: n for n, text in enumerate(tokens) if kinds[n] == NORMAL}
    merges = sorted(
        (-scores[n], n, ids[text[:at]], ids[text[at:]])
        for text, n in ids.items()
        for at in range(1, len(text))
        if text[:at] in ids and text[at:] in ids
    )
    tokenizer = HfTokenizer(
        models.BPE(
            vocab={text: n for n, text in enumerate(tokens)},
            merges=[(tokens[left], tokens[right]) for _, _, left, right in merges],
            unk_token="<unk>",
            byte_fallback=True,
            fuse_unk=True,
        )
    )
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)]
    )
    return tokenizer


TOKENIZER = Tokenizer.from_gguf(LLAMA)
# Tokens that go on behind a space, where encoding word by word would miss them.
CROSSING = spm(SCORES | {f"a{SPACE}": -30.0, f"a{SPACE}b": -3.5, f"t{SPACE}{SPACE}h": -31.0})
PAIRS = [(Tokenizer.from_gguf(metadata), by_merge_list(metadata)) for metadata in (LLAMA, CROSSING)]


@pytest.mark.parametrize(("tokenizer", "reference"), PAIRS, ids=["words", "crossing"])
@given(text=TEXT)
def test_tokens_are_those_of_the_merge_list(
    tokenizer: Tokenizer, reference: HfTokenizer, text: str
) -> None:
    expected = reference.encode(text, add_special_tokens=False).ids
    assert tokenizer.encode(text, add_special=False) == expected


def test_a_token_across_words_is_found() -> None:
    tokenizer = Tokenizer.from_gguf(spm({f"a{SPACE}": -1.0, f"a{SPACE}b": -2.0, **SCORES}))
    assert texts(tokenizer, tokenizer.encode("a b", add_special=False)) == [" ", "a b"]


def test_equal_scores_merge_the_leftmost_first() -> None:
    tokenizer = Tokenizer.from_gguf(spm({"ab": 0.0, "ba": 0.0, "a": -1.0, "b": -1.0, SPACE: -2.0}))
    assert texts(tokenizer, tokenizer.encode("bab", add_special=False)) == [" ", "ba", "b"]


@given(TEXT)
def test_decoding_undoes_encoding(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


def test_bos_and_the_space_before_every_text() -> None:
    ids = TOKENIZER.encode("the hen")
    assert ids[0] == TOKENIZER.bos_id == 1
    assert texts(TOKENIZER, ids[1:]) == [" the", " ", "hen"]
    assert TOKENIZER.add_bos
    assert TOKENIZER.eos_id == 2


def test_each_text_after_a_control_token_gets_a_space() -> None:
    ids = TOKENIZER.encode("an</s>an", add_special=False, parse_special=True)
    assert texts(TOKENIZER, ids) == [" a", "n", "</s>", " a", "n"]
    assert TOKENIZER.decode(ids) == "an an"


def test_gemma_puts_no_space_before() -> None:
    metadata = spm(SCORES, user_defined=("\n\n", "<table>"), add_space_prefix=False)
    tokenizer = Tokenizer.from_gguf(metadata)
    ids = tokenizer.encode("an\n\nand <table>\n", add_special=False)
    assert texts(tokenizer, ids) == ["an", "\n\n", "and", " ", "<table>", "\n"]
    assert tokenizer.decode(ids) == "an\n\nand <table>\n"
    assert tokenizer.decode(tokenizer.encode(" an")) == " an"


def test_the_sign_for_a_space_is_a_space() -> None:
    runs = ("\n\n", "  ", "   ")
    metadata = spm(SCORES, user_defined=runs, add_space_prefix=False)
    tokenizer = Tokenizer.from_gguf(metadata)
    ids = tokenizer.encode("a   b  a t", add_special=False)
    assert texts(tokenizer, ids) == ["a", "   ", "b", "  ", "a", " t"]
    for text in ("a\u2581 \u2581b \u2581a\u2581t", "a\u2581\u2581\u2581b\u2581\u2581a\u2581t"):
        assert tokenizer.encode(text, add_special=False) == ids
    signs = [run.replace(" ", SPACE) for run in runs]
    spelled = Tokenizer.from_gguf(spm(SCORES, user_defined=signs, add_space_prefix=False))
    assert spelled.encode("a   b  a t", add_special=False) == ids
    assert spelled.decode(ids) == tokenizer.decode(ids) == "a   b  a t"


def test_a_tag_that_is_a_token_in_text() -> None:
    metadata = spm(SCORES, user_defined=("<s>", "</s>"), add_space_prefix=False)
    metadata["tokenizer.ggml.tokens"][1:3] = ["<bos>", "<eos>"]
    tokenizer = Tokenizer.from_gguf(metadata)
    ids = tokenizer.encode("an<s>an</s>", add_special=False)
    assert texts(tokenizer, ids) == ["an", "<s>", "an", "</s>"]
    assert {tokenizer.token_text(token) for token in tokenizer.eog_ids} == {"<eos>"}


def test_characters_outside_the_vocabulary_are_spelled_in_bytes() -> None:
    ids = TOKENIZER.encode("a\u20ac", add_special=False)
    assert [TOKENIZER.token_text(token) for token in ids] == [
        f"{SPACE}a",
        *("<0xE2>", "<0x82>", "<0xAC>"),
    ]
    assert TOKENIZER.decode(ids) == "a\u20ac"


def test_without_byte_tokens_there_is_the_unknown_token() -> None:
    tokenizer = Tokenizer.from_gguf(spm(SCORES, with_bytes=False))
    assert tokenizer.encode("a\u20ac", add_special=False)[-1] == 0
    assert tokenizer.is_control(0)


def test_without_an_unknown_token_it_is_an_error() -> None:
    metadata = {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": [SPACE, "a"],
        "tokenizer.ggml.scores": [0.0, 0.0],
    }
    tokenizer = Tokenizer.from_gguf(metadata)
    assert tokenizer.encode("a", add_special=False) == [0, 1]
    with pytest.raises(Error, match="no token for 'b', nor for its bytes"):
        tokenizer.encode("ab")


def test_a_byte_token_must_be_spelled_like_one() -> None:
    metadata = spm(SCORES)
    metadata["tokenizer.ggml.tokens"][3] = "<zero>"
    with pytest.raises(TokenizerError, match=r"tokens element 3 is '<zero>', expected <0xHH>"):
        Tokenizer.from_gguf(metadata)


def test_long_texts_take_time_in_proportion() -> None:
    text = "a" * 50_000
    ids = TOKENIZER.encode(text, add_special=False)
    assert TOKENIZER.decode(ids) == text


def test_a_token_that_is_no_text_stands_for_its_bytes() -> None:
    tokenizer = Tokenizer.from_gguf(spm({**SCORES, b"\xff".decode(errors="surrogateescape"): -99}))
    assert tokenizer.token_bytes(tokenizer.n_vocab - 1) == b"\xff"
