"""The values of a call's parameters where each stands between tags of its own, strings bare."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pestle.constraints.grammar import json_rule, literal
from pestle.errors import GrammarError
from pestle.formats.calls_xml import types_of

# What says of which form a string is cannot be held where strings stand bare.
_OF_STRINGS = ("pattern", "format", "minLength", "maxLength")
_ROOTS = ("$defs", "definitions")
_CHOICES = ("anyOf", "oneOf")
_OTHERS = {"$ref", "allOf", "enum", *_CHOICES}
COMBINED = frozenset(("$ref", "allOf", "enum", "const", *_CHOICES)) | {
    "patternProperties",
    "minProperties",
    "maxProperties",
}
"""What a schema of parameters may have that is more than a list of them."""


@dataclass(frozen=True)
class CallableTool:
    """A tool that may be called: `schema` of its parameters, None if any object will do."""

    name: str
    schema: Mapping[str, Any] | None


class TextValues:
    """Makes the rules of values.

    Attributes:
        rules: those made so far, as Lark.
    """

    def __init__(
        self,
        end: str,
        end_after_json: str,
        *,
        lazy: bool,
        booleans: tuple[str, ...] = ("true", "false"),
    ) -> None:
        """`end`, a regular expression, ends a bare string: at once if `lazy`, else the last one.

        `end_after_json` is the same end as a part of a rule. `booleans`: how these are written.
        """
        self._end, self._end_after_json, self._lazy = end, end_after_json, lazy
        self._booleans = booleans
        self._n = 0
        self.rules = ""

    def any_text(self) -> str:
        """Any text with its end."""
        name, self._n = f"text_{self._n}", self._n + 1
        lazy = "[lazy]" if self._lazy else ""
        self.rules += f"{name}{lazy}: /(.|\\n)*{self._end}/\n"
        return name

    def parameters(self, tool: CallableTool, write: Callable[[str, str, bool], str]) -> str:
        """All parameters of a tool in their order, those that are not required optionally.

        `write` takes a key, the rule of its value with the end, and whether it is a bare string.
        Raises GrammarError for what cannot be held in this form.
        """
        said = []
        for key, schema, required in _properties(tool):
            text = write(key, *self._value(tool, key, schema))
            said.append(text if required else f"({text})?")
        return " ".join(said)

    def _value(self, tool: CallableTool, key: str, schema: Mapping[str, Any]) -> tuple[str, bool]:
        values = schema.get("enum", [schema["const"]] if "const" in schema else None)
        if isinstance(values, list) and all(isinstance(value, str) for value in values):
            options = " | ".join(map(literal, values))
            return f"({options}) {self._end_after_json}", True
        known = types_of(schema)
        if known == {"boolean"} and "enum" not in schema:
            words = " | ".join(map(literal, self._booleans))
            return f"({words}) {self._end_after_json}", False
        if not ("string" in known if known else not _OTHERS & schema.keys()):
            whole = tool.schema or {}
            roots = {name: whole[name] for name in _ROOTS if name in whole}
            return f"{json_rule({**roots, **schema})} {self._end_after_json}", False
        if (keyword := _restriction(schema)) is not None:
            raise GrammarError(
                f"tool {tool.name}: {keyword} of the parameter {key} cannot be held "
                "in this model's form of calls"
            )
        return self.any_text(), True


def _properties(tool: CallableTool) -> Iterator[tuple[str, Mapping[str, Any], bool]]:
    schema = tool.schema or {}
    if others := schema.keys() & COMBINED:
        raise GrammarError(
            f"tool {tool.name}: {min(others)} of its parameters cannot be held "
            "in this model's form of calls"
        )
    required = schema.get("required") or ()
    for key, value in (schema.get("properties") or {}).items():
        yield key, value if isinstance(value, Mapping) else {}, key in required


def _restriction(schema: Mapping[str, Any]) -> str | None:
    """The keyword by which a schema wants strings of a certain form."""
    found = next((name for name in (*_OF_STRINGS, "allOf", "not") if name in schema), None)
    for options in (schema.get(name) or () for name in _CHOICES):
        for option in options:
            within = option.keys() & {*_OF_STRINGS, *_CHOICES, "enum", "const", "$ref", "allOf"}
            found = found or next(iter(sorted(within)), None)
    return found
