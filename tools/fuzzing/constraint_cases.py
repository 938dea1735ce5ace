"""Schemas, regular expressions, grammars and choices, followed for some tokens."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

from pestle.constraints import grammar_of, text_plan
from pestle.errors import Error

from fuzzing import chance
from fuzzing.kinds import Kind
from fuzzing.template_cases import tokenizer

_FORMATS = (
    "date",
    "date-time",
    "email",
    "uuid",
    "ipv4",
    "ipv6",
    "uri",
    "time",
    "duration",
    "nothing",
)
_PATTERNS = ("^[a-z]+$", "\\d{2,4}", "(a|b)*c", "^$", "(", "[", "a{1,1000}", "\\w\\s\\S", "(?=a)",
             "\\p{L}",
             "\u00e9+", "(a*)*", ".{0,300}", "(?i)abc", "^(?:a|(b))$", "\\1",
             "[^\\x00-\\x7f]")  # fmt: skip
_LARK = (
    'start: "a" b*\nb: /[0-9]+/ | "(" b ")"\n', "start: X\nX: /a/ Y\nY: \"b\"\n",
    "start: start\n", "start:\n",
    'start: "a" start | ""\n', "start: %json {\"type\": \"integer\"}\n", "start: /(/\n",
    "x: \"a\"\n", "",
    'start: a{2,5}\na: "x"\n', "start: <[5]>\n", "start: <think>\n",
    "%import common.INT\nstart: INT\n",
    'start[capture]: /a+/\n', 'start: "\\u00e9" | \'b\'\n', "start: @x\n",
    "%llguidance {}\nstart: /a/\n",
)  # fmt: skip
_GBNF = (
    'root ::= "a" | [0-9]+\n', "root ::= root\n", 'root ::= ("a" root)? \n',
    "root ::= [^\\x00-\\x1f]{2,3}\n",
    'root ::= x\n', "root ::= [a\n", 'root ::= "a\n', "::=", 'root ::= "a"{1000000}\n',
)  # fmt: skip


def _schema(rng: Random, depth: int = 3) -> Any:
    kind = rng.randrange(14 if depth else 6)
    if kind == 0:
        return {"type": "string", **_some(rng, {"minLength": 2, "maxLength": 9,
                                               "pattern": rng.choice(_PATTERNS),
                                               "format": rng.choice(_FORMATS)})}  # fmt: skip
    if kind == 1:
        bounds = {
            "minimum": 0,
            "maximum": 10 ** rng.randrange(20),
            "exclusiveMinimum": 1.5,
            "multipleOf": 0.1,
        }
        return {"type": rng.choice(["integer", "number"]), **_some(rng, bounds)}
    if kind == 2:
        return rng.choice([True, False, {}, {"type": "null"}, {"type": "boolean"}])
    if kind == 3:
        return {"enum": [chance.some_json(rng, 1) for _ in range(rng.randrange(4))]}
    if kind == 4:
        return {"const": chance.some_json(rng, 1)}
    if kind == 5:
        return {
            "$ref": rng.choice(
                ["#", "#/$defs/a", "#/$defs/b", "#/nowhere", "http://x/y", "#/$defs/a/items"]
            )
        }
    if kind < 9:
        names = rng.sample(["a", "b", "\u00e9", "x y", "$ref"], rng.randrange(4))
        more = {"additionalProperties": rng.choice([True, False, _schema(rng, depth - 1)]),
                "minProperties": 1,
                "maxProperties": 2, "patternProperties": {"^x": {}}}  # fmt: skip
        return {
            "type": "object",
            "properties": {name: _schema(rng, depth - 1) for name in names},
            "required": [name for name in names if rng.random() < 0.5],
            **_some(rng, more),
        }
    if kind < 11:
        bounds = {"minItems": rng.randrange(4), "maxItems": rng.choice([0, 3, 10**9]),
                  "uniqueItems": True,
                  "prefixItems": [_schema(rng, depth - 1)]}  # fmt: skip
        return {"type": "array", "items": _schema(rng, depth - 1), **_some(rng, bounds)}
    if kind < 13:
        word = rng.choice(["anyOf", "oneOf", "allOf"])
        return {word: [_schema(rng, depth - 1) for _ in range(rng.randrange(4))]}
    return {
        "not": _schema(rng, depth - 1),
        "$defs": {"a": _schema(rng, depth - 1), "b": {"$ref": "#/$defs/a"}},
    }


def _some(rng: Random, keys: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in keys.items() if rng.random() < 0.3}


def _options(rng: Random) -> dict[str, Any]:
    kind = rng.randrange(10)
    if kind < 5:
        schema = _schema(rng)
        if isinstance(schema, dict) and rng.random() < 0.3:
            schema["$defs"] = {"a": _schema(rng), "b": {"$ref": "#/$defs/a"}}
        if rng.random() < 0.2:
            schema = chance.mutated_json(schema, rng)
        if rng.random() < 0.1:
            return {"json_schema": chance.mutated_text(json.dumps(schema), rng, ("{", "}", "["))}
        return {"json_schema": schema}
    if kind < 6:
        return {"regex": chance.mutated_text(rng.choice(_PATTERNS), rng, _PATTERNS)}
    if kind < 8:
        words = (*_LARK, "|", "*", "::=", ":", "start", "/a/", "%json", "(", ")", "~", "\n")
        source = rng.choice((*_LARK, *_GBNF))
        return {
            "grammar": chance.mutated_text(source, rng, words) if rng.random() < 0.7 else source
        }
    if kind < 9:
        return {"choice": chance.mutated_json(["a", "bc", "\u00e9", chance.text(rng)], rng)}
    given = {"type": "json_schema", "json_schema": {"name": "x", "schema": _schema(rng)}}
    return {"response_format": chance.mutated_json(given, rng)}


def make(rng: Random) -> bytes:
    return json.dumps(_options(rng)).encode()


def run(case: bytes, folder: Path, rng: Random) -> None:
    grammar = grammar_of(chance.expanded(json.loads(case)))
    if grammar is None:
        return
    n_vocab = tokenizer().n_vocab
    constraint = text_plan(grammar, tokenizer(), n_vocab).constraint()
    for _ in range(8):
        words = constraint.masks([])[0]
        allowed = [token for token in range(n_vocab) if words[token // 32] >> (token % 32) & 1]
        assert allowed
        token = rng.choice(allowed)
        if token in tokenizer().eog_ids:
            break
        constraint.sure(4)
        constraint.push(token)


KIND = Kind(make, run, (Error, TypeError, ValueError))
