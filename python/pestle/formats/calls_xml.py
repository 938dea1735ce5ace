"""Tool calls as XML-like text: the forms of Qwen3-Coder and of DeepSeek V3.2."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pestle.formats.calls import (
    MalformedCallError,
    Schemas,
    UnfinishedCallError,
    decoded,
)
from pestle.results import ToolCall

_FUNCTION = re.compile(r"\s*<function=([^>\n]+)>")
_PARAMETER = re.compile(
    r"\s*<parameter=([^>\n]+)>(.*?)</parameter>(?=\s*(?:<parameter=|</function>|\Z))", re.DOTALL
)
_FUNCTION_END = re.compile(r"\s*(?:</function>)?\s*\Z")
_INVOKE = re.compile(r'([^"\n]+)">')
_KINDS: dict[str, tuple[type, ...]] = {
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "null": (type(None),),
    "string": (str,),
}
_WORDS = {"true": True, "false": False, "null": None, "none": None}


def function_call(text: str, schemas: Schemas) -> ToolCall:
    """The call in `<function=NAME><parameter=KEY>VALUE</parameter>...</function>`.

    Values have no types of their own; the tool's schema tells what is a string.
    """
    begin = _FUNCTION.match(text)
    if begin is None:
        raise MalformedCallError("the tool call begins with no function")
    name, at = begin[1].strip(), begin.end()
    properties = mapping(schemas.get(name, {}).get("properties"))
    arguments: dict[str, Any] = {}
    while (match := _PARAMETER.match(text, at)) is not None:
        key = match[1].strip()
        value = match[2].removeprefix("\n").removesuffix("\n")
        arguments[key] = typed(value, properties.get(key))
        at = match.end()
    if _FUNCTION_END.match(text, at) is None:
        inside = text.find("<parameter=", at) >= 0
        kind = UnfinishedCallError if inside else MalformedCallError
        raise kind("a parameter of the tool call is not closed")
    return ToolCall(name, json.dumps(arguments, ensure_ascii=False))


def dsml_call(text: str, dsml: str) -> ToolCall:
    """The call in `NAME"><DSML parameter name="KEY" string="true|false">VALUE</DSML parameter>...`.

    `dsml` is the mark within the tags.
    """
    begin = _INVOKE.match(text)
    if begin is None:
        raise MalformedCallError("the tool call has no name")
    tag = re.escape(f"<{dsml}parameter")
    end = re.escape(f"</{dsml}parameter>")
    parameter = re.compile(
        rf'\s*{tag} name="([^"]*)" string="(true|false)">(.*?){end}(?=\s*(?:{tag}|\Z))', re.DOTALL
    )
    at, arguments = begin.end(), {}
    while (match := parameter.match(text, at)) is not None:
        arguments[match[1]] = match[3] if match[2] == "true" else decoded(match[3])
        at = match.end()
    if text[at:].strip():
        raise MalformedCallError("the tool call has something other than parameters")
    return ToolCall(begin[1], json.dumps(arguments, ensure_ascii=False))


def typed(text: str, schema: Any) -> Any:
    """A value that is written without a type, as `schema` wants it.

    Without a schema, what is JSON is read as JSON. What cannot be had as the schema wants it stays
    a string: the tool will say what is wrong with it.
    """
    allowed = types_of(mapping(schema))
    if allowed == {"string"}:
        return text
    word = text.strip().lower()
    try:
        value = _WORDS[word] if word in _WORDS else decoded(text)
    except MalformedCallError:
        return text
    absent = value is None and "string" not in allowed
    if absent or not allowed or any(_is(value, kind) for kind in allowed):
        return value
    return text


def types_of(schema: Mapping[str, Any]) -> set[str]:
    """The JSON types that a schema allows; empty where it does not say."""
    stated = schema.get("type")
    if isinstance(stated, str):
        return {stated} if stated in _KINDS else set()
    if isinstance(stated, list):
        return {kind for kind in stated if isinstance(kind, str) and kind in _KINDS}
    options = schema.get("anyOf") or schema.get("oneOf")
    if isinstance(options, list):
        of_each = [types_of(mapping(option)) for option in options]
        return set().union(*of_each) if all(of_each) else set()
    values = schema.get("enum")
    return {"string"} if isinstance(values, list) and _all_strings(values) else set()


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _KINDS[kind])


def _all_strings(values: list[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def mapping(value: Any) -> Mapping[str, Any]:
    """`value`, if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}
