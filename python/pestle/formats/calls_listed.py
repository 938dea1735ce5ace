"""Tool calls as Mistral's models and Llama 3 write them: JSON objects, several in a row."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from pestle.formats.calls import MalformedCallError, arguments_text, decoded, named_call
from pestle.results import ToolCall

_BUILTIN = re.compile(r"(\w+)\.call\((.*)\)\s*", re.DOTALL)
_ARGUMENT = re.compile(r'\s*(\w+)\s*=\s*("(?:[^"\\]|\\.)*")\s*(?:,|\Z)')
_BETWEEN = " \t\n\r,;"


def mistral_calls(text: str, arguments: str, call_id: str) -> list[ToolCall]:
    """The calls behind a `[TOOL_CALLS]`: a JSON list, or `NAME[CALL_ID]ID[ARGS]{...}`.

    `arguments` and `call_id` are the marks of these names.
    """
    name, found, rest = text.partition(arguments)
    if not found:
        return listed_calls(text)
    name = name.partition(call_id)[0].strip()
    if not name or "\n" in name:
        raise MalformedCallError("the tool call has no name")
    return [ToolCall(name, arguments_text(rest))]


def llama_calls(text: str) -> list[ToolCall]:
    """The calls behind a `<|python_tag|>`: of tools that have it in them, else JSON.

    Those are `NAME.call(KEY="VALUE")`; anything else that is no JSON is code to be run.
    """
    if text.lstrip().startswith(("{", "[")):
        return listed_calls(text)
    match = _BUILTIN.fullmatch(text.strip())
    if match is None:
        return [ToolCall("code_interpreter", text, builtin=True)]
    pairs = list(_ARGUMENT.finditer(match[2]))
    if "".join(pair[0] for pair in pairs) != match[2]:
        raise MalformedCallError("the arguments of the tool call are not strings with names")
    values = {pair[1]: decoded(pair[2]) for pair in pairs}
    return [ToolCall(match[1], json.dumps(values, ensure_ascii=False), builtin=True)]


def listed_calls(text: str) -> list[ToolCall]:
    """The calls in a JSON list of objects with a name, or in such objects, one after the other."""
    calls = [named_call(each) for each in objects(text)]
    if not calls:
        raise MalformedCallError("there is no tool call")
    return calls


def further_calls(text: str) -> list[ToolCall]:
    """The calls behind one of such a list or row, of which `text` is what follows its arguments.

    Raises MalformedCallError.
    """
    bracket = "[" if text.rstrip().endswith("]") else ""
    _, *further = objects(f'{bracket}{{"": 0{text}')
    return [named_call(each) for each in further]


def objects(text: str) -> Iterator[str]:
    """The spelling of each object of a JSON list, or of several in a row.

    Raises MalformedCallError for anything else.
    """
    text = text.strip()
    if text.startswith("["):
        decoded(text)  # says what is wrong with the list
        text = text.removeprefix("[").removesuffix("]")
    decoder = json.JSONDecoder(strict=False)
    at = 0
    while (rest := text[at:].lstrip(_BETWEEN)) != "":
        at = len(text) - len(rest)
        try:
            _, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            decoded(rest)  # says what is wrong
            raise MalformedCallError("the tool call is not a JSON object") from None
        yield text[at:end]
        at = end
