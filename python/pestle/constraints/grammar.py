"""What a caller may ask for, as a grammar of `llguidance`: JSON that holds Lark and schemas."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from llguidance import LLMatcher
from llguidance.gbnf_to_lark import gbnf_to_lark

from pestle.constraints.bounds import check_length, check_schema
from pestle.constraints.dialects import ascii_dialect, ecma_schema
from pestle.constraints.library import library_errors
from pestle.errors import ArgumentError, ArgumentTypeError, GrammarError, shown
from pestle.options.values import GRAMMARS

_LARK = re.compile(r"\s*(%llguidance\b|start\s*:)")
_FORMATS = ("text", "json_object", "json_schema")
# As models write JSON: all on one line, or a line for each value. Without a bound a model may
# write blanks for ever. Before 1.8 the pattern bounds nothing, so there it is one line; systems
# with a C library before glibc 2.31 have only such versions.
_BOUNDS_BLANKS = tuple(map(int, version("llguidance").split(".")[:2])) >= (1, 8)
_LAYOUT: Any = (
    {"whitespace_pattern": r"( |\n[ \t]{0,40})?"}
    if _BOUNDS_BLANKS
    else {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
)


@dataclass(frozen=True)
class Grammar:
    """What the text of an answer has to be.

    `source` is for `llguidance`; `name` says what it is, for messages.
    """

    name: str
    source: str


def grammar_of(options: Mapping[str, Any]) -> Grammar | None:
    """The grammar that one of the options in `GRAMMARS`, or `response_format`, asks for.

    None without any of them. Raises TypeError and ValueError for options that say nothing, or two
    things; whether the grammar can be followed shows when it meets a vocabulary (`Matcher`).
    """
    given = {name: options[name] for name in GRAMMARS if options.get(name) is not None}
    response_format = options.get("response_format")
    if response_format is not None:
        schema = _schema_of(response_format)
        if schema is not None:
            given["response_format"] = schema
    if len(given) > 1:
        raise ArgumentError(f"{' and '.join(given)} exclude each other")
    for name, value in given.items():
        with library_errors(name):
            return _grammar(name, value)
    return None


def _grammar(name: str, value: Any) -> Grammar:
    if name == "choice":
        return _choice(value)
    if name == "grammar":
        return Grammar(name, _from_lark(_text(name, value)))
    if name == "regex":
        return _from_regex(name, _text(name, value))
    return grammar_of_schema(name, value)


def grammar_of_schema(name: str, schema: Any) -> Grammar:
    """JSON of a schema: a mapping, a bool, JSON itself, or a pydantic model that has one.

    Raises as `grammar_of`.
    """
    schema = _of_model(name, schema)
    if isinstance(schema, str):
        check_length(name, len(schema))
        try:
            schema = json.loads(schema)
        except ValueError as error:
            raise GrammarError(f"{name} is not valid JSON: {error}") from error
        except RecursionError as error:
            raise GrammarError(f"{name} is nested too deeply") from error
    if not isinstance(schema, (Mapping, bool)):
        raise ArgumentTypeError(f"{name} is {shown(schema)}, expected a JSON schema")
    if isinstance(schema, bool):  # the library wants an object
        if not schema:
            raise GrammarError(f"{name} is false, which no JSON fits")
        schema = {}
    check_schema(name, schema)
    try:
        schema = ecma_schema(schema)
    except GrammarError as error:
        raise GrammarError(f"{name}: {error}") from error
    try:
        text = json.dumps(schema)
        check_length(name, len(text))
        source = LLMatcher.grammar_from_json_schema(text, defaults=_LAYOUT)
    except GrammarError:
        raise
    except (TypeError, ValueError) as error:  # what it holds is not JSON
        raise ArgumentTypeError(f"{name}: {error}") from error
    return Grammar(name, source)


def _of_model(name: str, schema: Any) -> Any:
    """The schema of a pydantic model; anything else as it is. pydantic itself is not needed."""
    of_model = getattr(schema, "model_json_schema", None)
    if not isinstance(schema, type) or not callable(of_model):
        return schema
    try:
        return of_model()
    except Exception as error:  # of a class that is not ours
        kind = type(error).__name__
        raise ArgumentError(f"{name}: {schema.__name__} has no schema: {kind}: {error}") from error


def json_rule(schema: Any) -> str:
    """A schema, which `grammar_of_schema` has checked, as a part of a Lark rule."""
    if isinstance(schema, Mapping):
        own = schema.get("x-guidance")
        options = {**_LAYOUT, **(own if isinstance(own, Mapping) else {})}
        schema = {**ecma_schema(schema), "x-guidance": options}
    return f"%json {json.dumps(schema, ensure_ascii=False)}"


def literal(text: str) -> str:
    """Text as a part of a Lark rule."""
    return json.dumps(text, ensure_ascii=False)


def _schema_of(response_format: Any) -> Any:
    """The schema in a `response_format` of the OpenAI API; None for plain text."""
    if isinstance(response_format, type) and hasattr(response_format, "model_json_schema"):
        return response_format  # as the OpenAI client's `parse` takes one
    if not isinstance(response_format, Mapping):
        raise ArgumentTypeError(f"response_format is {shown(response_format)}, expected a mapping")
    kind = response_format.get("type")
    if kind not in _FORMATS:
        raise ArgumentError(
            f"response_format: type is {shown(kind)}, expected {', '.join(_FORMATS)}"
        )
    if kind == "text":
        return None
    if kind == "json_object":
        return {"type": "object"}
    inside = response_format.get("json_schema")
    if not isinstance(inside, Mapping) or "schema" not in inside:
        raise ArgumentError("response_format: json_schema has no schema")
    return inside["schema"]


def _from_regex(name: str, pattern: str) -> Grammar:
    try:
        return Grammar(name, LLMatcher.grammar_from_regex(ascii_dialect(pattern)))
    except GrammarError as error:
        raise GrammarError(f"{name}: {error}") from error


def _from_lark(text: str) -> str:
    check_length("grammar", len(text))
    # Line by line: the converter's own test takes hours for a text of blank lines.
    if any(map(_LARK.match, text.splitlines())):
        return LLMatcher.grammar_from_lark(text)
    try:
        return LLMatcher.grammar_from_lark(gbnf_to_lark(text))
    except RecursionError as error:
        raise GrammarError("grammar is nested too deeply") from error
    except Exception as error:  # the converter of GBNF raises plain ones too
        raise GrammarError(
            f"grammar: it has no `start:`, so it is not Lark, and as GBNF: {error}"
        ) from error


def _choice(value: Any) -> Grammar:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ArgumentTypeError(f"choice is {shown(value)}, expected a list of strings")
    if not all(isinstance(each, str) for each in value):
        raise ArgumentTypeError(f"choice is {shown(value)}, expected strings")
    if not value:
        raise ArgumentError("choice is empty, expected one string at least")
    if "" in value:
        raise ArgumentError("choice has an empty string, which no answer can be")
    check_length("choice", sum(map(len, value)))
    options = " | ".join(literal(each) for each in value)
    return Grammar("choice", LLMatcher.grammar_from_lark(f"start: {options}\n"))


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ArgumentTypeError(f"{name} is {shown(value)}, expected a string")
    return value
