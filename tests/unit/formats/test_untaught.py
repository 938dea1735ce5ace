"""Calls in other forms than the template teaches, whole and in pieces, and what is none of them."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from pestle.formats import Content, Event, Reasoning, UntaughtCalls
from pestle.results import ToolCall

from tests.unit.formats.answers import merged

SCHEMAS: dict[str, Any] = {
    "weather": {"type": "object", "properties": {"place": {"type": "string"}}},
    "now": {},
    "fs.write": {},
}
PARIS = {"name": "weather", "arguments": {"place": "Paris"}}
WEATHER = json.dumps(PARIS)
NOW = '{"name": "now", "arguments": {}}'
A, B = ToolCall("weather", '{"place": "Paris"}'), ToolCall("now", "{}")
OPENAI = json.dumps({"id": "x", "type": "function", "function": PARIS})
PRETTY = json.dumps(PARIS, indent=2)


def read(*pieces: str, schemas: Any = None) -> list[Event]:
    """What is made of content that comes in pieces, without the notes on calls."""
    found = UntaughtCalls(SCHEMAS if schemas is None else schemas)
    events = [event for piece in pieces for event in found.push([Content(piece)])]
    events += found.finish()
    notes = [e for e in events if isinstance(e, Content) and e.warning is not None]
    calls = [e for e in events if isinstance(e, ToolCall)]
    assert [note.warning for note in notes] == [
        f"the call of {call.name} is not written as the chat template teaches" for call in calls
    ]
    return merged(e for e in events if e not in notes)


CALLS: list[tuple[str, list[Event]]] = [
    # What Qwen2.5's coders write.
    (f"```json\n{WEATHER}\n```", [A]),
    (f"```json\n{PRETTY}\n```", [ToolCall("weather", '{\n    "place": "Paris"\n  }')]),
    (f"Let me see.\n\n```json\n{WEATHER}\n```\n\nDone.", [Content("Let me see."), A, "\n\nDone."]),  # type: ignore[list-item]
    (f"```\n{WEATHER}\n```\n", [A]),
    (f"```tool_call\n{WEATHER}\n```", [A]),
    (f"  ```json\n{WEATHER}\n  ```", [A]),
    (f"````json\n{WEATHER}\n````", [A]),
    (f"```JSON \n{WEATHER}\n``` ", [A]),
    (f"```json\n{WEATHER}", [A]),  # the end is forgotten
    (f"```json\n{WEATHER}\n``", [Content(f"```json\n{WEATHER}\n``")]),
    (f"```json\n[{WEATHER}, {NOW}]\n```", [A, B]),
    (f"```json\n{WEATHER}\n{NOW}\n```", [A, B]),
    (f"```json\n{WEATHER}\n```\n```json\n{NOW}\n```", [A, B]),
    (f"<tools>\n{WEATHER}\n</tools>", [A]),
    # JSON alone, as Llama 3's and small models do.
    (WEATHER, [A]),
    (f"\n\n{WEATHER}\n", [A]),
    (f"Sure:\n{WEATHER}", [Content("Sure:"), A]),
    (f"{WEATHER}\nThat is it.", [A, "That is it."]),  # type: ignore[list-item]
    (f"{WEATHER}; {NOW}", [A, B]),
    (f"{WEATHER}\n{NOW}", [A, B]),
    (f"[{WEATHER},\n{NOW}]", [A, B]),
    (PRETTY, [ToolCall("weather", '{\n    "place": "Paris"\n  }')]),
    ('{"name": "weather", "parameters": {"place": "Paris"}}', [A]),
    ('{"type": "function", "name": "weather", "parameters": {"place": "Paris"}}', [A]),
    ('{"function": "weather", "parameters": {"place": "Paris"}}', [A]),
    ('{"arguments": {"place": "Paris"}, "name": "weather"}', [A]),
    (OPENAI, [A]),
    (json.dumps({"name": "weather", "arguments": '{"place": "Paris"}'}), [A]),
    (
        json.dumps({"name": "fs.write", "arguments": {"text": 'a "}]{[\\ ``` \n'}}),
        [ToolCall("fs.write", json.dumps({"text": 'a "}]{[\\ ``` \n'}))],
    ),
    # Tags.
    (f"<tool_call>\n{WEATHER}\n</tool_call>", [A]),
    (f"<tool_call>{WEATHER}", [A]),
    (f"Well, <tool_call>{WEATHER}</tool_call> then", [Content("Well, "), A, " then"]),  # type: ignore[list-item]
    (f"<function_call>[{WEATHER}, {NOW}]</function_call>", [A, B]),
    ('<function=weather>{"place": "Paris"}</function>', [A]),
    ("<function=weather>\n<parameter=place>\nParis\n</parameter>\n</function>\n</tool_call>", [A]),
    ("<function=now></function>", [B]),
    ("<function=now>", [B]),
]

CONTENT = [
    "",
    "\n\n",
    "Hello.\n\n",
    '{"name": "other", "arguments": {}}',  # not offered
    '```json\n{"name": "other", "arguments": {}}\n```',
    f'[{WEATHER}, {{"name": "other", "arguments": {{}}}}]',
    f"It is {WEATHER}",  # within a line
    f"{WEATHER} is how it is done.",
    f"  {WEATHER}",
    f"```python\n{WEATHER}\n```",  # code of another language
    f"```json\nThis:\n{WEATHER}\n```",
    f"```json\n{WEATHER}\nand so on\n```",
    f'{{"calls": [\n{WEATHER}\n]}}',  # other JSON
    f"[\n{WEATHER},\n7]",
    '{"name": "weather"}',
    '{"name": "weather", "arguments": 3}',
    '{"name": "weather", "arguments": {"place": "Paris"}, "note": 1}',
    '{"name": "weather", "arguments": {"place": "Paris"}',  # cut off
    '```json\n{"name": "weather", "arguments": {"pl',
    json.dumps({"name": "weather", "parameters": SCHEMAS["weather"]}),  # the tool's description
    "[a link](https://example.org)\n",
    "[1, 2, 3]\n{}\n[]\n[[]]",
    "{ x | x > 0 }\n",
    "```\ncode\n```\n",
    "```json```",
    "``` ```",
    "```",
    "``",
    "<tool_call>",
    "<tool_call> no </tool_call>",
    "<tools",
    "a < b\n<",
    "<function=other>{}</function>",
    "<function=weather>[1]</function>",
    "~~~\n",
    "{" * 5000,
    '{"function": ' * 3000,
]


@pytest.mark.parametrize(("text", "events"), CALLS)
def test_calls(text: str, events: list[Any]) -> None:
    expected = [Content(event) if isinstance(event, str) else event for event in events]
    assert read(text) == expected
    assert read(*text) == expected


@pytest.mark.parametrize("text", CONTENT, ids=lambda text: repr(text[:40]))
def test_content(text: str) -> None:
    expected = [Content(text)] if text else []
    assert read(text) == expected
    assert read(*text) == expected


@pytest.mark.parametrize("text", [text for text, _ in CALLS])
def test_nothing_is_a_call_of_tools_that_were_not_offered(text: str) -> None:
    assert read(text, schemas={"other": {}}) == [Content(text)]
    assert read(*text, schemas={"other": {}}) == [Content(text)]


PIECES = [
    *(WEATHER, NOW, PRETTY, OPENAI, "```", "```json\n", "```\n", "\n```", "\n", "\n\n", " ", "{"),
    *("}", "[", "]", ",", '"', "\\", "<tool_call>", "</tool_call>", "<tools>", "</tools>", "text"),
    *('{"name": "', "weather", '{"a": 1}', "<function=now>", "</function>", "````", "`", "<", "; "),
    *("<parameter=place>", "</parameter>", "```python\n", "[link](x)"),
]


def test_events_do_not_depend_on_the_pieces() -> None:
    random = Random(1)
    for _ in range(3000):
        text = "".join(random.choices(PIECES, k=random.randint(1, 12)))
        whole = read(text)
        assert read(*text) == whole, text
        cuts = sorted(random.choices(range(len(text) + 1), k=4))
        edges = zip([0, *cuts], [*cuts, len(text)], strict=True)
        assert read(*(text[a:b] for a, b in edges)) == whole, text
        said = "".join(event.text for event in whole if isinstance(event, Content))
        if not any(isinstance(event, ToolCall) for event in whole):
            assert said == text


@pytest.mark.parametrize(
    "text",
    [
        "Hello there, all of this is plain.",
        "```python\nprint({'name': 'weather'})\nmore",
        '{"results": [1, 2, 3], "more": {"a": 1',
        '```json\n{"results": [1, 2',
        '{"name": "somebody", "age": 3',
        '[{"name": "somebody", "age": 3',
        "[1, 2, 3",
        "# Heading\n* item <b>bold",
    ],
)
def test_what_cannot_be_a_call_is_not_held_back(text: str) -> None:
    found = UntaughtCalls(SCHEMAS)
    events = [e for piece in text for e in found.push([Content(piece)])]
    assert "".join(e.text for e in events if isinstance(e, Content)) == text


def test_what_may_be_a_call_is_held_back() -> None:
    for text, _ in CALLS:
        for end in range(len(text)):
            found = UntaughtCalls(SCHEMAS)
            said = [e for e in found.push([Content(text[:end])]) if isinstance(e, Content)]
            assert not {*"{<`"} & {*"".join(e.text for e in said)}


def test_other_events_stay_where_they_are() -> None:
    found = UntaughtCalls(SCHEMAS)
    events: list[Event] = [Reasoning("Hm."), Content("So\n"), A, Content("odd", "it is odd")]
    assert found.push(events) + found.finish() == [
        *(Reasoning("Hm."), Content("So"), Content("\n"), A, Content("odd", "it is odd")),
    ]


def test_a_line_goes_on_behind_what_is_wrong_in_it() -> None:
    found = UntaughtCalls(SCHEMAS)
    events: list[Event] = [Content("<|x|>", "it has no meaning here"), Content(WEATHER)]
    assert found.push(events) + found.finish() == events
    events = [Content("<|x|>\n", "it has no meaning here"), Content(WEATHER)]
    assert A in found.push(events) + found.finish()


def test_long_texts_take_linear_time() -> None:
    body = json.dumps({"name": "fs.write", "arguments": {"text": '}"]' * 20_000}})
    assert read(*body) == [ToolCall("fs.write", json.dumps({"text": '}"]' * 20_000}))]
    assert read(*("{" * 50_000)) == [Content("{" * 50_000)]
