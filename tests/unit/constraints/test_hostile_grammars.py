"""Schemas, regular expressions and grammars that want to take all time or memory."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import pytest
from pestle.constraints.bounds import LIMITS
from pestle.constraints.grammar import grammar_of
from pestle.constraints.plans import text_plan
from pestle.errors import GrammarError

from tests.unit.text.templates import TOKENIZER


def nested(n: int) -> Any:
    schema: Any = {"type": "string"}
    for _ in range(n):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


def chain(n: int, keyword: str) -> dict[str, Any]:
    """Definitions that each bring the next one in twice."""
    twice = {f"d{i}": {keyword: [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(n)}
    return {"$defs": {**twice, f"d{n}": {"pattern": ".*a.{9}"}}, "$ref": "#/$defs/d0"}


PATTERNS = [".*a.{%d}", "^(a|b%d)*$", "(ab){%d}", "^[^a]{%d,}", "x%d$"]
REGEXES = {
    **{
        f"{piece} x {n}": piece * n
        for n in (100, 10_000, 2_000_000)
        for piece in (
            "a",
            "a?",
            "(a*)*",
            "[a-z]{9}",
            r"\w",
            ".*a",
            "|b",
            r"\p{L}",
            "[\u4e00-\u9fff]",
        )
    },
    **{f"{a} {b}": f"(a{{{a}}}){{{b}}}" for a in (9, 1000, 10**9) for b in (9, 1000, 10**9)},
    **{f"deep {n}": "(" * n + "a" + ")" * n for n in (100, 5000, 40_000)},
    **{f"classes deep {n}": "[" * n + "a" + "]" * n for n in (100, 900, 5000, 40_000)},
    **{f"alternatives {n}": "|".join(f"w{i}" for i in range(n)) for n in (1000, 100_000)},
    **{f"look {look}": f"({look}a)b" for look in ("?=", "?!", "?<=", "?<!")},
    **{f"tail {n}": f".*a.{{{n}}}" for n in (9, 30, 900, 90_000)},
    **{
        f"broken {n}": text
        for n, text in enumerate(
            (
                "(",
                ")",
                "[",
                "a{",
                "a{9,1}",
                "\\",
                "(?",
                "[a",
                "(?i",
                "*",
                "a**",
                "[z-a]",
                "\\p{Nope}",
                "\\x{110000}",
                "\\u{d800}",
                "(?P<a",
                "(?z)",
            )
        )
    },
}
SCHEMAS = {
    **{f"nested {n}": nested(n) for n in (20, 100, 300)},
    **{f"open {n}": "[" * n for n in (100, 3000, 100_000)},
    **{f"open objects {n}": '{"a":' * n for n in (100, 3000, 100_000)},
    "circle": {"$ref": "#"},
    "two circles": {
        "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}},
        "$ref": "#/$defs/a",
    },
    "no end": {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
    **{
        f"{word} chain {n}": chain(n, word)
        for n in (3, 12, 40)
        for word in ("allOf", "anyOf", "oneOf")
    },
    **{
        f"all of {n} {p}": {
            "type": "string",
            "allOf": [{"pattern": p % i if "%" in p else p} for i in range(n)],
        }
        for n in (2, 5, 12, 30)
        for p in PATTERNS
    },
    **{f"enum {n}": {"enum": [f"w{i}" for i in range(n)]} for n in (1000, 100_000)},
    **{
        f"{word} {n}": {"type": kind, word: n}
        for n in (10, 10**5, 10**9, 10**30)
        for kind, word in (
            ("string", "minLength"),
            ("string", "maxLength"),
            ("array", "minItems"),
            ("array", "maxItems"),
            ("object", "minProperties"),
            ("integer", "minimum"),
            ("integer", "multipleOf"),
        )
    },
    **{
        f"properties {n}": {
            "type": "object",
            "properties": {f"p{i}": {"type": "string"} for i in range(n)},
        }
        for n in (100, 1900, 20_000)
    },
    **{
        f"pattern properties {n}": {
            "patternProperties": {f"^a.*{i}$": {"type": "string"} for i in range(n)}
        }
        for n in (2, 20, 500)
    },
    **{
        f"product {n}": {
            "allOf": [
                {"anyOf": [{"properties": {f"p{i}{j}": {"type": "string"}}} for j in range(n)]}
                for i in range(n)
            ]
        }
        for n in (3, 8)
    },
    **{
        f"long {word}": {"type": "string", word: "a" * 600_000}
        for word in ("pattern", "const", "format")
    },
    "pattern with length": {"type": "string", "pattern": ".*a.{14}", "minLength": 100},
    **{f"not finite {n}": {"const": n} for n in (float("inf"), float("nan"), 10**400)},
}
LARKS = {
    "circle": "start: start",
    "two circles": "start: a\na: b\nb: a",
    "blank lines": "\n" * 400_000,
    "blanks": " " * 400_000 + '\nroot ::= "a"',
    **{f"deep {n}": "start: " + "(" * n + '"a"' + ")" * n for n in (100, 5000)},
    **{f"GBNF deep {n}": "root ::= " + "(" * n + '"a"' + ")" * n for n in (100, 5000)},
    **{
        f"rules {n}": "start: "
        + " | ".join(f"a{i}" for i in range(n))
        + "\n"
        + "\n".join(f'a{i}: "x{i}"' for i in range(n))
        for n in (100, 10_000, 40_000)
    },
    **{
        f"and {n}": "start: A\nA: " + " & ".join(f"/(.|\\n)*a(.|\\n){{{i}}}/" for i in range(n))
        for n in (2, 8, 20)
    },
    "ambiguous": 'start: a a a a a a a a\na: "x" a | a "x" | a a | ""',
    "repeated": 'start: (a{1000}){1000}\na: "x"',
    "long": 'start: "' + "a" * 2_000_000 + '"',
    "choices": "start: " + " | ".join(f'"w{i}"' for i in range(30_000)),
}
CASES = [
    *(("regex", name, value) for name, value in REGEXES.items()),
    *(("json_schema", name, value) for name, value in SCHEMAS.items()),
    *(("grammar", name, value) for name, value in LARKS.items()),
    ("choice", "many", [f"w{i}" for i in range(200_000)]),
    ("choice", "long", ["a" * 2_000_000]),
]


@pytest.mark.parametrize(
    ("kind", "value"),
    [(kind, value) for kind, _, value in CASES],
    ids=[f"{kind}-{name[:40]}" for kind, name, _ in CASES],
)
def test_each_is_held_or_refused_in_time(kind: str, value: Any) -> None:
    begin = time.process_time()
    said = ""
    try:
        grammar = grammar_of({kind: value})
        assert grammar is not None
        constraint = text_plan(grammar, TOKENIZER, TOKENIZER.n_vocab).constraint()
        for _ in range(20):
            (mask,) = constraint.masks(())
            bits = np.unpackbits(mask.view(np.uint8), bitorder="little")
            allowed = np.flatnonzero(bits[: TOKENIZER.n_vocab])
            if int(allowed[-1]) in TOKENIZER.eog_ids:
                break
            constraint.push(int(allowed[-1]))
    except (GrammarError, TypeError) as error:
        said = str(error)
    assert "NoExtension" not in said
    assert "\n" not in said
    assert len(said) < 1500
    assert time.process_time() - begin < 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"regex": "a" * 10_000_000}, r"^regex: it has 10,000,000 characters, at most 100,000"),
        ({"regex": "(a{1000}){1000}"}, r"written out, has 1,000,000 characters, at most 100,000"),
        ({"json_schema": "[" * 100_000}, "^json_schema is nested too deeply$"),
        ({"json_schema": nested(3000)}, "^json_schema is nested more than 100 levels deep$"),
        (
            {"json_schema": {"type": "string", "allOf": [{"pattern": f"a{i}"} for i in range(30)]}},
            "^json_schema: `allOf` has one string match 30 patterns, at most 8 allowed$",
        ),
        ({"json_schema": {"$ref": "#"}}, "^json_schema: no text can follow it: its rules"),
        ({"grammar": "start: start"}, "^grammar: no text can follow it: its rules"),
        (
            {"json_schema": {"enum": [f"w{i}" for i in range(20_000)] + ["x" * 600_000]}},
            "^json_schema has 8.., at most 500,000 allowed|characters, at most 500,000 allowed",
        ),
        ({"grammar": LARKS["and 20"]}, r"^grammar: it takes more work than a grammar may \(1,0"),
    ],
)
def test_messages_name_the_budget(options: dict[str, Any], message: str) -> None:
    with pytest.raises(GrammarError, match=message):
        _plan(options)


def _plan(options: dict[str, Any]) -> None:
    grammar = grammar_of(options)
    assert grammar is not None
    text_plan(grammar, TOKENIZER, TOKENIZER.n_vocab)


def test_definitions_that_meet_in_no_string_are_fine() -> None:
    """Many patterns, an `allOf` and circles: as real schemas have them."""
    tree = {
        "$defs": {
            "named": {
                "properties": {f"p{i}": {"type": "string", "pattern": f"^a{i}$"} for i in range(40)}
            },
            "node": {
                "type": "object",
                "allOf": [{"$ref": "#/$defs/named"}],
                "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
            },
        },
        "$ref": "#/$defs/node",
    }
    grammar = grammar_of({"json_schema": json.dumps(tree)})
    assert grammar is not None
    assert text_plan(grammar, TOKENIZER, TOKENIZER.n_vocab)
    assert LIMITS.max_lexer_states == 100_000


@pytest.mark.parametrize("where", [{"const": 0}, {"enum": [0]}, {"type": "integer", "minimum": 0}])
@pytest.mark.parametrize(
    "least", [-(2**63), -(2**63) + 1, -(2**63) + 500, -(2**53) - 1, -(10**300) * 9]
)
def test_integers_at_which_the_library_crashes_are_refused(where: Any, least: int) -> None:
    schema = json.loads(json.dumps(where).replace("0", str(least)))
    with pytest.raises(GrammarError, match=r"has the integer -9\d+, expected -2\^53"):
        grammar_of({"json_schema": {"type": "object", "properties": {"a": schema}}})
    with pytest.raises(GrammarError, match="too many digits"):
        grammar_of({"json_schema": {"const": -(10**5000)}})
    schema = json.loads(json.dumps(where).replace("0", str(-(2**53))))
    grammar = grammar_of({"json_schema": schema})
    assert grammar is not None
    text_plan(grammar, TOKENIZER, TOKENIZER.n_vocab)
