"""Tool calls in forms that a model was not taught: which JSON, and which text in tags, is a call.

What models are seen to write where their template teaches another form, or they forget it:

    {"name": NAME, "arguments": {...}}                  also with "parameters", and the arguments as
    {"type": "function", "name": NAME, ...}             text; alone, in a list, or one after another
    {"id": ID, "type": "function", "function": {"name": NAME, ...}}
    {"function": NAME, "parameters": {...}}
    <function=NAME>{...}</function>                     also with <parameter=KEY> tags in it

Only a call of a tool that was offered counts, so that other JSON stays what it is.
"""

from __future__ import annotations

from pestle.formats.calls import MalformedCallError, Schemas, arguments_text, members
from pestle.formats.calls_listed import objects
from pestle.formats.calls_xml import function_call
from pestle.results import ToolCall

_ARGUMENTS = ("arguments", "parameters")
_KEYS = ("name", "function", "type", "id", *_ARGUMENTS)
_HEAD = 256  # characters in which the first key, and what it says, stands


def may_be_calls(begun: str, schemas: Schemas) -> bool:
    """Whether JSON of calls can begin with `begun`, which begins with a bracket.

    What is true of a text is true of everything that it begins with.
    """
    rest = begun[:_HEAD]
    if rest.startswith("["):
        rest = rest[1:].lstrip()
    for mark in "{", '"':
        if not rest.startswith(mark):
            return not rest
        rest = rest[1:].lstrip() if mark == "{" else rest[1:]
    key, closed, rest = rest.partition('"')
    if not closed:
        return any(known.startswith(key) for known in _KEYS)
    if key != "name":
        return key in _KEYS
    for mark in ":", '"':
        rest = rest.lstrip()
        if not rest.startswith(mark):
            return not rest
        rest = rest[1:]
    name, closed, _ = rest.partition('"')
    return name in schemas if closed else any(known.startswith(name) for known in schemas)


def json_calls(text: str, schemas: Schemas) -> list[ToolCall]:
    """The calls of offered tools that a JSON object, or a list of such, consists of.

    Raises MalformedCallError where anything else is in it.
    """
    calls = [_call(each, schemas) for each in objects(text)]
    if not calls:
        raise MalformedCallError("there is no tool call")
    return calls


def tag_call(name: str, inside: str, schemas: Schemas) -> ToolCall:
    """The call in `<function=NAME>...</function>`. Raises MalformedCallError."""
    if inside.lstrip().startswith("{"):
        return ToolCall(name, arguments_text(inside))
    return function_call(f"<function={name}>{inside}</function>", schemas)


def _call(text: str, schemas: Schemas, *, within: bool = False) -> ToolCall:
    found = {key: (value, spelling) for key, value, spelling in members(text)}
    if unknown := found.keys() - {*_KEYS}:
        raise MalformedCallError(f"a call has no {min(unknown)!r}")
    function, spelling = found.get("function", (None, ""))
    if isinstance(function, dict) and not within:
        if found.keys() - {"function", "type", "id"}:
            raise MalformedCallError("there is something beside the function")
        return _call(spelling, schemas, within=True)
    names = [value for key in ("name", "function") if (value := found.get(key, (None,))[0])]
    given = [found[key] for key in _ARGUMENTS if key in found]
    if len(names) != 1 or not isinstance(names[0], str) or names[0] not in schemas:
        raise MalformedCallError("it does not name one of the tools")
    if len(given) != 1:
        raise MalformedCallError("it has no arguments")
    value, spelling = given[0]
    if schemas[names[0]] and value == schemas[names[0]]:
        raise MalformedCallError("it describes the tool")
    said = value if isinstance(value, str) else spelling
    return ToolCall(names[0], arguments_text(said))
