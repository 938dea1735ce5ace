"""Calls that end an answer: Mistral's and Llama 3's, as models write them and get them wrong."""

from __future__ import annotations

import json
from random import Random

import pytest
from pestle.formats import Content, Event
from pestle.results import ToolCall

from tests.unit.formats.answers import merged
from tests.unit.formats.dialects import ARGS, CALL_ID, DIALECTS, PYTHON_TAG, TOOL_CALLS
from tests.unit.formats.test_formats_bfcl import questions

BY_NAME = {dialect.name: dialect for dialect in DIALECTS}
F = ToolCall("fs.write", '{"n": 1}')
MISTRAL: list[tuple[list[str], list[Event]]] = [
    ([TOOL_CALLS, ' [{"name": "fs.write", "arguments": {"n": 1}, "id": "abcdefghi"}]'], [F]),
    ([TOOL_CALLS, '{"name": "fs.write", "arguments": {"n": 1}}'], [F]),
    (["Let me see.", TOOL_CALLS, "fs.write", ARGS, '{"n": 1}'], [Content("Let me see."), F]),
    ([TOOL_CALLS, "fs.write", CALL_ID, "abcdefghi", ARGS, '{"n": 1}', TOOL_CALLS, "f", ARGS],
     [F, ToolCall("f", "{}")]),
    ([TOOL_CALLS, "[]"], [Content("[TOOL_CALLS][]", "there is no tool call")]),
    ([TOOL_CALLS, '[{"name": "f", "arg'], [Content('[TOOL_CALLS][{"name": "f", "arg', "...")]),
    ([TOOL_CALLS, ARGS, "{}"], [Content("[TOOL_CALLS][ARGS]{}", "the tool call has no name")]),
    (['{"name": "fs.write", "arguments": {}}'], [Content('{"name": "fs.write", "arguments": {}}')]),
    (["Hi", ARGS, "!"],
     [Content("Hi"), Content("[ARGS]", "[ARGS] has no meaning here"), Content("!")]),
]  # fmt: skip
LLAMA: list[tuple[list[str], list[Event]]] = [
    (['{"name": "fs.write", "parameters": {"n": 1}}'], [F]),
    (['\n\n{"name": "fs.write", "parameters": {"n": 1}} '], [F]),
    (['{"name": "fs.write", "parameters": {"n": 1}}; {"name": "nothing", "parameters": {}}'],
     [F, ToolCall("nothing", "{}")]),
    ([PYTHON_TAG, '{"name": "fs.write", "parameters": {"n": 1}}'], [F]),
    ([PYTHON_TAG, 'brave_search.call(query="caf\u00e9, \\"so\\"")'],
     [ToolCall("brave_search", '{"query": "caf\u00e9, \\"so\\""}', builtin=True)]),
    ([PYTHON_TAG, "print(1)"], [ToolCall("code_interpreter", "print(1)", builtin=True)]),
    ([PYTHON_TAG, "f.call(x=1)"],
     [Content("<|python_tag|>f.call(x=1)",
              "the arguments of the tool call are not strings with names")]),
    # No tool of that name, no call, or not all that was said: an answer.
    (['{"name": "other", "parameters": {}}'], [Content('{"name": "other", "parameters": {}}')]),
    (['{"a": 1}'], [Content('{"a": 1}')]),
    (['{"name": "nothing", "parameters": {}'], [Content('{"name": "nothing", "parameters": {}')]),
    (['So: {"name": "nothing", "parameters": {}}'],
     [Content('So: {"name": "nothing", "parameters": {}}')]),
    (["  "], [Content("  ")]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "pieces", "expected"),
    [("mistral", *case) for case in MISTRAL] + [("llama 3", *case) for case in LLAMA],
)
def test_answers(name: str, pieces: list[str], expected: list[Event]) -> None:
    found = BY_NAME[name].events_of(pieces)
    assert len(found) == len(expected)
    for event, wanted in zip(found, merged(expected), strict=True):
        if isinstance(wanted, Content) and wanted.warning == "...":
            assert isinstance(event, Content)
            assert event.text == wanted.text
            assert event.warning is not None
            assert event.warning.startswith("the tool call is not valid JSON")
        else:
            assert event == wanted


def test_without_tools_json_is_an_answer() -> None:
    """Also JSON that would be a call."""
    dialect = BY_NAME["llama 3"]
    parser = dialect.format.parser([])
    events = parser.text('{"name": "nothing", ')
    assert events == [Content('{"name": "nothing", ')]


@pytest.mark.parametrize("name", ["mistral", "mistral args", "llama 3"])
def test_the_reference_answers_of_bfcl(name: str) -> None:
    dialect, n_calls = BY_NAME[name], 0
    for _, _, calls in questions():
        events = dialect.events_of(dialect.say(Random(0), list(calls)))
        assert [(c.name, json.loads(c.arguments)) for c in events if isinstance(c, ToolCall)] == [
            (c.name, json.loads(c.arguments)) for c in calls
        ]
        assert len(events) == len(calls)
        n_calls += len(calls)
    assert n_calls > 1500
