"""How each pre-tokenizer cuts text."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from pestle.errors import TokenizerError
from pestle.tokenizer import pretokenizers
from pestle.tokenizer.bpe import splitter
from pestle.tokenizer.byte_alphabet import bytes_of
from pestle.tokenizer.pretokenizers import PRE_TOKENIZERS, PreTokenizer, pre_tokenizer

# Contractions, cases, digits, runs of spaces, line ends, CJK, combining marks, punctuation.
SAMPLE = (
    "I'LL say 'tis  12345 camelCase HTTPServer\n\n\tx=3.14; "
    "\u4f60\u597d\u3072\u3089 \u0928\u092e\u0938\u094d\u0924\u0947 \u03a9mega's end  \n"
)
NAMASTE = ["\u0928\u092e\u0938", "\u094d", "\u0924", "\u0947"]  # cut at its combining marks
HAN = "\u4f60\u597d\u3072\u3089"
GREEK = "\u03a9mega"

GPT2 = [
    *("I", "'", "LL", " say", " '", "tis", " ", " 12345", " camelCase", " HTTPServer", "\n\n"),
    *("\t", "x", "=", "3", ".", "14", ";", f" {HAN}", f" {NAMASTE[0]}", *NAMASTE[1:]),
    *(f" {GREEK}", "'s", " end", "  \n"),
]
SMOLLM = [
    *("I", "'", "LL", " say", " '", "tis", "  ", *"12345", " camelCase", " HTTPServer", "\n\n"),
    *("\t", "x", "=", "3", ".", "1", "4", ";", f" {HAN}", f" {NAMASTE[0]}", *NAMASTE[1:]),
    *(f" {GREEK}", "'s", " end", "  \n"),
]
LLAMA3 = [
    *("I", "'LL", " say", " '", "tis", " ", " ", "123", "45", " camelCase", " HTTPServer"),
    *("\n\n", "\tx", "=", "3", ".", "14", ";", f" {HAN}", f" {NAMASTE[0]}"),
    *("".join(NAMASTE[1:3]), NAMASTE[3], f" {GREEK}", "'s", " end", "  \n"),
]
QWEN2 = [
    *("I", "'LL", " say", " '", "tis", " ", " ", *"12345", " camelCase", " HTTPServer"),
    *("\n\n", "\tx", "=", "3", ".", "1", "4", ";", f" {HAN}", f" {NAMASTE[0]}"),
    *("".join(NAMASTE[1:3]), NAMASTE[3], f" {GREEK}", "'s", " end", "  \n"),
]
GPT4O = [
    *("I'LL", " say", " '", "tis", " ", " ", "123", "45", " camel", "Case", " HTTPServer"),
    *("\n\n", "\tx", "=", "3", ".", "14", ";", f" {HAN}", f" {''.join(NAMASTE)}"),
    *(f" {GREEK}'s", " end", "  \n"),
]
TEKKEN = [
    *("I", "'LL", " say", " '", "tis", " ", " ", *"12345", " camel", "Case", " HTTPServer"),
    *("\n\n", "\tx", "=", "3", ".", "1", "4", ";", f" {HAN}", f" {''.join(NAMASTE)}"),
    *(f" {GREEK}", "'s", " end", "  \n"),
]
DEEPSEEK_LLM = [
    *("I", "'", "LL", " say", " '", "tis", "  ", "12345", " camelCase", " HTTPServer", "\n", "\n"),
    *("\tx", "=", "3", ".", "14", ";", " ", HAN, " ", "".join(NAMASTE), " \u03a9", "mega", "'"),
    *("s", " end", "  ", "\n"),
]
DEEPSEEK_CODER = [
    *("I", "'", "LL", " say", " '", "tis", "  ", *"12345", " camelCase", " HTTPServer", "\n"),
    *("\n", "\tx", "=", "3", ".", "1", "4", ";", " ", HAN, " ", *NAMASTE, f" {GREEK}", "'"),
    *("s", " end", "  ", "\n"),
]
DEEPSEEK_V3 = [
    *("I", "'LL", " say", " '", "tis", "  ", "123", "45", " camelCase", " HTTPServer", "\n\n"),
    *("\tx", "=", "3", ".", "14", ";", " ", HAN, f" {''.join(NAMASTE)}", f" {GREEK}", "'s"),
    *(" end", "  \n"),
]


def pieces(name: str, text: str) -> list[str]:
    found = splitter(PRE_TOKENIZERS[name]).pre_tokenize_str(text)
    return [bytes_of(piece).decode() for piece, _ in found]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gpt-2", GPT2),
        ("smollm", SMOLLM),
        ("starcoder", SMOLLM),
        ("refact", SMOLLM),
        ("llama-bpe", LLAMA3),
        ("llama3", LLAMA3),
        ("llama-v3", LLAMA3),
        ("qwen2", QWEN2),
        ("deepseek-r1-qwen", QWEN2),
        ("gpt-4o", GPT4O),
        ("tekken", TEKKEN),
        ("deepseek-llm", DEEPSEEK_LLM),
        ("deepseek-coder", DEEPSEEK_CODER),
        ("deepseek-v3", DEEPSEEK_V3),
    ],
)
def test_pieces(name: str, expected: list[str]) -> None:
    assert pieces(name, SAMPLE) == expected
    assert "".join(expected) == SAMPLE


@pytest.mark.parametrize("name", PRE_TOKENIZERS)
def test_every_pattern_compiles_and_loses_nothing(name: str) -> None:
    assert "".join(pieces(name, SAMPLE)) == SAMPLE


def test_case_is_known_by_category_and_not_by_script() -> None:
    # A Cyrillic capital after a small letter begins a word; approximations by a-z miss that.
    assert pieces("gpt-4o", "\u043c\u0438\u0440\u041c\u0438\u0440") == [
        "\u043c\u0438\u0440",
        "\u041c\u0438\u0440",
    ]


def test_three_digits_make_a_number_from_the_left() -> None:
    assert pieces("llama-bpe", "1234567") == ["123", "456", "7"]


def test_patterns_are_ascii() -> None:
    """A normalizing editor would change characters such as U+1FD3 in the classes."""
    assert Path(pretokenizers.__file__).read_text(encoding="utf-8").isascii()


@pytest.mark.parametrize("char", ["\u1fd3", "\u212a", "\u1f7d"])
def test_letters_that_normalization_would_change_are_letters(char: str) -> None:
    assert unicodedata.normalize("NFC", char) != char
    words = PreTokenizer(PRE_TOKENIZERS["deepseek-llm"].patterns[1:2])
    assert len(splitter(words).pre_tokenize_str(f"\u03b1{char}\u03b2")) == 1


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(TokenizerError, match=r"unknown pre-tokenizer 'esperanto'; known: .*gpt-2"):
        pre_tokenizer("esperanto")


def test_a_missing_name_is_refused() -> None:
    with pytest.raises(TokenizerError, match=r"^tokenizer\.ggml\.pre is missing"):
        pre_tokenizer(None)


def test_an_unknown_name_is_shown_safely() -> None:
    """Bytes of a file that are not UTF-8, or would move a cursor, are spelled in a message."""
    with pytest.raises(TokenizerError) as caught:
        pre_tokenizer("\udcff\x1b]52;c;x\x07\u202e" + "y" * 1000)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000
