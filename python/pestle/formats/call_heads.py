"""The heads of calls: where they are complete, what comes is certain to be a call of a known tool.

Each function takes the text behind the mark that begins a call, and gives what has `Begun`; None
where the head is not complete, or is another one. What is found in a text is
found in all that begins with it, so it does not matter in which pieces a text comes.
"""

from __future__ import annotations

import re

from pestle.formats.calls import MalformedCallError, Schemas, decoded
from pestle.formats.calls_listed import further_calls
from pestle.formats.calls_xml import mapping, typed, types_of
from pestle.formats.marks import Marks
from pestle.formats.streamed import Begun, StreamedJson
from pestle.formats.streamed_parameters import Parameter, ParameterTags, StreamedParameters
from pestle.results import ToolCall

_NAMED = r'\{\s*"name"\s*:\s*"([^"\\]+)"\s*,\s*"(?:arguments|parameters)"\s*:\s*(?=\{)'
_OBJECT = re.compile(rf"\s*{_NAMED}")
_FIRST_LISTED = re.compile(rf"\s*\[?\s*{_NAMED}")
_ID = r'(?:\s*,\s*"id"\s*:\s*"[^"\\]*")?'
_NEXT_LISTED = re.compile(rf"{_ID}\s*\}}[\s,;]*{_NAMED}")
_FENCED = re.compile(r"([^`{]*)```(?:json)?\s*(?=\{)")
_FENCE_END = re.compile(r"\s*(?:```)?\s*\Z")
_ARGUMENTS = re.compile(r"\s*(?=\{)")
_FUNCTION = re.compile(r"\s*<function=([^>\n]+)>\s*(?=<parameter=|</function>)")
_PARAMETER = re.compile(r"<parameter=([^>\n]+)>")
_INVOKE = re.compile(r'([^"\n]+)">\s*')


def named(text: str, marks: Marks, schemas: Schemas, end: str) -> Begun:
    """`{"name": NAME, "arguments": `, to be ended by the tag `end`."""
    match = _OBJECT.match(text)
    if match is None or match[1] not in schemas:
        return None
    return StreamedJson(match[1], marks.spelled, end, _members_end), match.end()


def function(text: str, marks: Marks, schemas: Schemas, end: str) -> Begun:
    """`<function=NAME>`, and the beginning of a parameter or the end."""
    match = _FUNCTION.match(text)
    if match is None or (name := match[1].strip()) not in schemas:
        return None
    properties = mapping(schemas[name].get("properties"))

    def parameter(match: re.Match[str]) -> Parameter:
        key = marks.spelled(match[1]).strip()
        schema = properties.get(key)
        if types_of(mapping(schema)) == {"string"}:
            return Parameter(key, None)
        return Parameter(key, lambda text: typed(text, schema))

    tags = ParameterTags(
        _PARAMETER, "<parameter=", parameter, "</parameter>", "</function>", end, lines=True
    )
    return StreamedParameters(name, tags, marks.spelled), match.end()


def invoke(text: str, marks: Marks, schemas: Schemas, dsml: str, end: str) -> Begun:
    """`NAME">`, and the beginning of a parameter or the end."""
    match, begin = _INVOKE.match(text), f"<{dsml}parameter"
    if match is None or match[1] not in schemas:
        return None
    if not text.startswith((begin, end), match.end()):
        return None

    def parameter(match: re.Match[str]) -> Parameter:
        return Parameter(marks.spelled(match[1]), None if match[2] == "true" else decoded)

    opening = re.compile(re.escape(begin) + r' name="([^">\n]*)" string="(true|false)">')
    tags = ParameterTags(opening, begin, parameter, f"</{dsml}parameter>", "", end, lines=False)
    return StreamedParameters(match[1], tags, marks.spelled), match.end()


def separated(text: str, marks: Marks, schemas: Schemas, separator: str, end: str) -> Begun:
    """`function SEPARATOR NAME`, a fence and a brace; or `NAME SEPARATOR` and a brace."""
    head, found, rest = text.partition(separator)
    if not found:
        return named(text, marks, schemas, end)
    at = len(head) + len(separator)
    fenced = _FENCED.match(rest)
    match = _ARGUMENTS.match(rest) or fenced
    name = (fenced[1] if match is fenced and fenced is not None else head).strip()
    if match is None or name not in schemas:
        return None
    rest_of = _fence_ends if match is fenced else None
    return StreamedJson(name, marks.spelled, end, rest_of), at + match.end()


def listed(text: str, marks: Marks, schemas: Schemas, *, first: bool) -> Begun:
    """A call of a JSON list, or of objects in a row: the first, or what ends the one before it."""
    match = (_FIRST_LISTED if first else _NEXT_LISTED).match(text)
    if match is None or match[1] not in schemas:
        return None
    call = StreamedJson(
        match[1], marks.spelled, rest=lambda rest: further_calls(marks.spelled(rest))
    )
    return call, match.end()


def stated(text: str, marks: Marks, schemas: Schemas, arguments: str, call_id: str) -> Begun:
    """`NAME[CALL_ID]ID[ARGS]` and a brace; `arguments` and `call_id` are the marks."""
    head, found, rest = text.partition(arguments)
    name = head.partition(call_id)[0].strip()
    if not found or name not in schemas or (match := _ARGUMENTS.match(rest)) is None:
        return None
    return StreamedJson(name, marks.spelled), len(head) + len(found) + match.end()


def _members_end(text: str) -> list[ToolCall]:
    """What stands behind the arguments has to end the object that they are in."""
    decoded('{"": 0' + text)
    return []


def _fence_ends(text: str) -> list[ToolCall]:
    if _FENCE_END.match(text) is None:
        raise MalformedCallError("there is something behind the arguments of the tool call")
    return []
