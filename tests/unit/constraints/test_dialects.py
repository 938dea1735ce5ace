"""Regular expressions mean what Python's `re.ASCII`, and ECMA-262, mean by them."""

from __future__ import annotations

import re
from functools import cache
from random import Random

import pytest
from llguidance import LLMatcher
from pestle.constraints.dialects import ascii_dialect, ecma_dialect, ecma_schema
from pestle.constraints.grammar import grammar_of, grammar_of_schema
from pestle.constraints.grammar_vocabulary import GrammarVocabulary, vocabulary_of
from pestle.constraints.matcher import Matcher
from pestle.errors import GrammarError

from tests.unit.text.templates import TOKENIZER

CHARACTERS = "aAzZkKsS09_-. \t\n\u00e9\u0663\u00a0\u212a\u017f\u4e00#["


@cache
def vocabulary() -> GrammarVocabulary:
    return vocabulary_of(TOKENIZER, TOKENIZER.n_vocab)


def accepts(source: str, text: str) -> bool:
    matcher = Matcher(vocabulary(), source)
    for token in TOKENIZER.encode_within(text):
        if not matcher.allows(token):
            return False
        matcher.push(token)
    return matcher.is_complete


def matches(pattern: str, text: str) -> bool:
    return accepts(LLMatcher.grammar_from_regex(pattern), text)


def a_class(random: Random) -> str:
    parts = random.choices(
        (
            *(rf"\{c}" for c in "dDwWsSnt.-]"),
            "a",
            "K",
            "a-f",
            "0-9",
            "A-Z",
            "\u00e9",
            "!-~",
            r"\x41",
        ),
        k=random.randint(1, 3),
    )
    return f"[{'^' * random.randint(0, 1)}{''.join(parts)}]"


def a_pattern(random: Random, depth: int = 0) -> str:
    """A pattern that Python and Rust read alike, up to what is ASCII."""
    parts = []
    for _ in range(random.randint(1, 3)):
        kind = random.randrange(8 if depth < 2 else 6)
        if kind < 2:
            part = rf"\{random.choice('dDwWsS')}"
        elif kind < 4:
            part = a_class(random)
        elif kind == 4:
            part = random.choice(("a", "K", "s", "\u00e9", r"\.", r"\-", r"\x6b", r"\u0041"))
        elif kind == 5:
            part = "."
        elif kind == 6:
            part = f"(?:{a_pattern(random, depth + 1)}|{a_pattern(random, depth + 1)})"
        else:
            part = f"(?i:{a_pattern(random, depth + 1)})"
        parts.append(part + random.choice(("", "", "", "?", "*", "+", "{1,2}")))
    return "".join(parts)


def test_patterns_mean_what_they_mean_to_python() -> None:
    random = Random(8)
    matched = 0
    for n in range(250):
        pattern = a_pattern(random)
        if n % 4 == 0:
            pattern = f"(?i){pattern}"
        rewritten = ascii_dialect(pattern)
        for _ in range(20):
            text = "".join(random.choices(CHARACTERS, k=random.randint(0, 4)))
            expected = re.fullmatch(pattern, text, re.ASCII) is not None
            assert matches(rewritten, text) == expected, (pattern, rewritten, text)
            matched += expected
    assert matched > 500


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (r"\d", "\u0663", False),
        (r"(?u)\d", "\u0663", True),
        (r"(?u:\d)\d", "\u06633", True),
        (r"(?u:\d)\d", "3\u0663", False),
        (r"(?i)k", "\u212a", False),
        (r"(?iu)k", "\u212a", True),
        (r"(?iu:k)k", "\u212ak", True),
        (r"(?iu:k)k", "kK", False),
        (r"(?i:(?u)k)k", "\u212a\u212a", False),
        (r"(?-u:\W)", "\u00e9", True),
        ("(?x) \\d # a ( that \\d is not read\n [ \\d ] ", "12", True),
        (r"[[:alpha:]&&[^a-f]]\p{Greek}", "g\u03b1", True),
        (r"(?P<year>\d{4})-(?<month>\d\d)", "2026-11", True),
        (r"[]a]\/", "]/", True),
        (r"[\d-z]", "-", True),
    ],
)
def test_rust_syntax_stays(pattern: str, text: str, expected: bool) -> None:
    assert matches(ascii_dialect(pattern), text) == expected


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("b", "abc", True),  # a pattern may match anywhere
        ("^b", "abc", False),
        ("b$", "ab", True),
        ("^a|b$", "xb", True),
        ("^a|b$", "xbx", False),
        (r"^\d$", "\u0663", False),
        (r"^\w$", "\u00e9", False),
        (r"^\s$", "\u00a0", False),  # white space in ECMA-262, but not for everybody:
        (r"^\S$", "\u00a0", False),  # it is neither
        (r"^[^\s]$", "\u00a0", False),
        (r"^[\S]$", "\u00e9", True),
        ("^.$", "\u2028", False),
        ("^[[]$", "[", True),
        ("^[a&&b]$", "&", True),
        ("^[a--]$", "-", True),
        (r"^[^]x$", "\u00e9x", True),
        (r"^\u00e9\x41\/\-$", "\u00e9A/-", True),
    ],
)
def test_patterns_of_schemas_are_those_of_ecma(pattern: str, text: str, expected: bool) -> None:
    grammar = grammar_of_schema("json_schema", {"type": "string", "pattern": pattern})
    assert accepts(grammar.source, f'"{text}"') == expected


def test_only_patterns_are_rewritten() -> None:
    schema = {
        "properties": {"pattern": {"const": {"pattern": r"\d"}}, "a": {"pattern": r"\d"}},
        "patternProperties": {r"\d": {"items": [{"pattern": r"\w"}]}},
        "enum": [{"pattern": r"\d"}],
    }
    assert ecma_schema(schema) == {
        "properties": {"pattern": {"const": {"pattern": r"\d"}}, "a": {"pattern": "[0-9]"}},
        "patternProperties": {"[0-9]": {"items": [{"pattern": "[0-9A-Za-z_]"}]}},
        "enum": [{"pattern": r"\d"}],
    }


@pytest.mark.parametrize("pattern", [r"\bfoo", r"a\B", "(?=a)", "(?!a)", "(?<=a)", "(?<!a)b"])
def test_what_looks_around_is_refused_as_such(pattern: str) -> None:
    for rewrite in (ascii_dialect, ecma_dialect):
        with pytest.raises(GrammarError, match="is a look-around, which cannot be held"):
            rewrite(pattern)


def test_regex_is_ascii_unless_asked_otherwise() -> None:
    for pattern, text, expected in ((r"\d+", "\u0663", False), (r"(?u)\d+", "\u0663", True)):
        grammar = grammar_of({"regex": pattern})
        assert grammar is not None
        assert accepts(grammar.source, text) == expected
