"""Tool calls as models write them: JSON, and what may go wrong in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from pestle.formats.json_text import JsonText
from pestle.results import ToolCall

Schemas: TypeAlias = Mapping[str, Mapping[str, Any]]
"""The JSON schema of each tool's parameters, by the tool's name."""

_ESCAPED = re.compile(r"\\.", re.DOTALL)
_SPACE = " \t\n\r"


class MalformedCallError(Exception):
    """What a model wrote is no tool call; the message says why."""


class UnfinishedCallError(MalformedCallError):
    """What a model wrote is the beginning of a tool call."""


def schemas_of(tools: Sequence[Any] | None) -> Schemas:
    """The parameters' schemas of tools as the OpenAI API has them; others are left out."""
    found: dict[str, Mapping[str, Any]] = {}
    for tool in tools or ():
        function = tool.get("function", tool) if isinstance(tool, Mapping) else None
        if isinstance(function, Mapping) and isinstance(function.get("name"), str):
            parameters = function.get("parameters")
            found[function["name"]] = parameters if isinstance(parameters, Mapping) else {}
    return found


def named_call(text: str) -> ToolCall:
    """The call in `{"name": ..., "arguments": {...}}`, as Hermes models and Qwen write it.

    The arguments keep their spelling, so that a chat's history has the tokens that were said.
    """
    name: Any = None
    arguments: str | None = None
    for key, value, spelling in members(text):
        if key == "name":
            name = value
        elif key in ("arguments", "parameters"):
            arguments = value if isinstance(value, str) else spelling
    if not isinstance(name, str) or not name:
        raise MalformedCallError("the tool call has no name")
    return ToolCall(name, arguments_text(arguments or "{}"))


def arguments_text(text: str) -> str:
    """`text` as the JSON object of a call's arguments; MalformedCallError if it is none.

    No text at all is an object without members.
    """
    text = text.strip(_SPACE) or "{}"
    if not isinstance(decoded(text), dict):
        raise MalformedCallError("the arguments of the tool call are not a JSON object")
    return JsonText().feed(text)[0]


def decoded(text: str) -> Any:
    """The value of a JSON text, in whose strings control characters are allowed.

    Raises UnfinishedCallError where it ends within a string, else MalformedCallError.
    """
    try:
        value = json.loads(text, strict=False, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False).encode()  # escapes may make half characters
    except (ValueError, RecursionError) as error:
        kind = UnfinishedCallError if _ends_in_string(text) else MalformedCallError
        raise kind(f"the tool call is not valid JSON: {error}") from error
    return value


def members(text: str) -> Iterator[tuple[str, Any, str]]:
    """Key, value and the value's spelling of each member of the JSON object `text`.

    Raises MalformedCallError where it is not one.
    """
    whole = decoded(text)
    if not isinstance(whole, dict):
        raise MalformedCallError("the tool call is not a JSON object")
    decoder = json.JSONDecoder(strict=False)
    at = _skip(text, text.index("{") + 1)
    while text[at] == '"':
        key, at = decoder.raw_decode(text, at)
        begin = _skip(text, _skip(text, at) + 1)  # after the colon
        value, at = decoder.raw_decode(text, begin)
        yield key, value, text[begin:at]
        at = _skip(text, _skip(text, at) + 1)  # after the comma, or the end
        if at >= len(text):
            return


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _ends_in_string(text: str) -> bool:
    """Whether a JSON text ends within a string."""
    return _ESCAPED.sub("", text).count('"') % 2 == 1


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
