"""Functions as tools: what the model is told of them, and how its calls are carried out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from pestle import LLM, ArgumentError, ToolCall
from pestle.chat.call_ids import call_ids
from pestle.chat.rounds import REFUSED
from pestle.chat.schemas import function_of
from pestle.chat.tools import Tools

MakeLlm = Callable[..., LLM]
QWEN = ("<think>", "</think>", "<tool_call>", "</tool_call>")
CALL, CALL_END = 261, 262
TEMPLATE = (
    "{% if tools %}{{ tools | tojson }}{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}"
    "{% for c in m.tool_calls or [] %}<tool_call>{{ c.function.name }}{{ c.function.arguments }}"
    "</tool_call>{% endfor %}<|im_end|>\n{% endfor %}<|im_start|>assistant\n{{ '' }}"
)


def weather(
    place: str,
    days: int = 3,
    unit: Literal["c", "f"] = "c",
    tags: list[str] | None = None,
    factor: float = 1.5,
    more: dict[str, int] | None = None,
    anything: Any = (),
) -> dict[str, Any]:
    """The weather of a place.

    In more words.

    Args:
        place: Where,
            exactly.
        days (int): How long.

    Returns:
        Numbers.
    """
    return {"place": place, "days": days, "unit": unit, "tags": tags, "factor": factor}


def fails() -> None:
    raise KeyError("no")


def leaves() -> None:
    raise SystemExit(3)


def says(text: str) -> str:
    return f"Said {text}"


def test_a_function_is_described() -> None:
    assert Tools([weather]).described == [
        {
            "type": "function",
            "function": {
                "name": "weather",
                "description": "The weather of a place.\n\nIn more words.",
                "parameters": {
                    "type": "object",
                    "properties": {
                        "place": {"type": "string", "description": "Where, exactly."},
                        "days": {"type": "integer", "default": 3, "description": "How long."},
                        "unit": {"enum": ["c", "f"], "type": "string", "default": "c"},
                        "tags": {
                            "anyOf": [
                                {"type": "array", "items": {"type": "string"}},
                                {"type": "null"},
                            ],
                            "default": None,
                        },
                        "factor": {"type": "number", "default": 1.5},
                        "more": {
                            "anyOf": [
                                {"type": "object", "additionalProperties": {"type": "integer"}},
                                {"type": "null"},
                            ],
                            "default": None,
                        },
                        "anything": {},
                    },
                    "required": ["place"],
                },
            },
        }
    ]


def test_other_hints() -> None:
    def f(a: int | None, b: Sequence[float], c: tuple[int, ...], d: list, e, g: Literal[1, "x"]):  # type: ignore[no-untyped-def, type-arg]
        pass

    assert function_of(f).described["function"]["parameters"]["properties"] == {
        "a": {"type": ["integer", "null"]},
        "b": {"type": "array", "items": {"type": "number"}},
        "c": {"type": "array", "items": {"type": "integer"}},
        "d": {"type": "array"},
        "e": {},
        "g": {"enum": [1, "x"]},
    }


def test_what_no_schema_can_say() -> None:
    def starred(*places: str) -> None: ...
    def odd(place: complex) -> None: ...
    def pair(both: tuple[int, str]) -> None: ...

    with pytest.raises(TypeError, match=r"^starred: the parameter \*places.* is variadic pos"):
        Tools([starred])
    with pytest.raises(TypeError, match=r"^odd: place: <class 'complex'> has no JSON schema$"):
        Tools([odd])
    with pytest.raises(TypeError, match=r"^pair: both: tuple\[int, str\] has no JSON schema$"):
        Tools([pair])
    with pytest.raises(TypeError, match=r"^tools\[0\] is 'f', expected a function or a mapping$"):
        Tools(["f"])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("name", "arguments", "result"),
    [
        ("says", '{"text": "h\u00e9"}', "Said h\u00e9"),
        (
            "weather",
            '{"place": "Bonn", "factor": 2, "tags": ["a"]}',
            '{"place": "Bonn", "days": 3, "unit": "c", "tags": ["a"], "factor": 2}',
        ),
        ("fails", "", "error: KeyError: 'no'"),
        ("wether", "{}", "error: there is no tool 'wether'; known: weather, fails, says, leaves"),
        ("says", "{}", "error: says needs the argument 'text'"),
        ("says", '{"text": "a", "loud": true}', "error: says takes no argument 'loud'"),
        ("says", '{"text": 3}', "error: says: text is 3, expected {\"type\": \"string\"}"),
        ("weather", '{"place": "x", "days": true}', "error: weather: days is True, expected"),
        ("weather", '{"place": "x", "unit": "k"}', "error: weather: unit is 'k', expected"),
        ("weather", '{"place": "x", "tags": [1]}', "error: weather: tags is [1], expected"),
        ("says", "[1]", "error: says: the arguments are '[1]', expected a JSON object"),
        ("says", "3", "error: says: the arguments are '3', expected a JSON object"),
        ("says", '"text"', "error: says: the arguments are '\"text\"', expected a JSON object"),
        ("says", "null", "error: says: the arguments are 'null', expected a JSON object"),
        ("leaves", "", "error: SystemExit: 3"),
    ],
)  # fmt: skip
def test_calls_are_carried_out_and_errors_are_results(
    name: str, arguments: str, result: str
) -> None:
    said = Tools([weather, fails, says, leaves]).run(ToolCall(name, arguments))
    assert said == result or (result.endswith("expected") and said.startswith(result))


def test_described_tools_are_for_the_caller() -> None:
    tools = Tools([{"type": "function", "function": {"name": "f"}}, says])
    assert not tools.runs(ToolCall("f", "{}"))
    assert tools.runs(ToolCall("says", "{}"))
    assert not tools.runs(ToolCall("says", "", builtin=True))
    assert tools.run(ToolCall("f", "{}")) == "error: there is no tool 'f'; known: says"


def rounds(*answers: list[str | int]) -> Callable[[list[int]], NDArray[np.float32]]:
    """A model that gives these answers, one after another, whatever it is asked."""
    scripts = [[t for p in a for t in ([p] if isinstance(p, int) else p.encode())] for a in answers]

    def logits(tokens: list[int]) -> NDArray[np.float32]:
        header = [256, *b"assistant\n"]
        ends = [
            i + len(header)
            for i in range(len(tokens) - len(header) + 1)
            if tokens[i : i + len(header)] == header
        ]
        answer = [*scripts[len(ends) - 1], 257]
        values = np.zeros(263, np.float32)
        values[answer[len(tokens) - ends[-1]]] = 20
        return values

    return logits


def asks(name: str, **arguments: Any) -> list[str | int]:
    return [CALL, json.dumps({"name": name, "arguments": arguments}), CALL_END]


def converse(make_llm: MakeLlm, *answers: list[str | int], **options: Any) -> tuple[Any, Any]:
    llm = make_llm(marks=QWEN, template=TEMPLATE, model=rounds(*answers), n_ctx=4096)
    chat = llm.conversation(tools=[says, fails])
    return chat.converse("Hi", temperature=0, **options), chat.messages


def test_rounds_of_calls(make_llm: MakeLlm) -> None:
    both = [*asks("says", text="a"), *asks("fails")]
    answer, messages = converse(make_llm, both, asks("says", text="b"), ["Done."])
    assert answer.text == "Done."
    assert [message["role"] for message in messages] == [
        *("user", "assistant", "tool", "tool", "assistant", "tool", "assistant"),
    ]
    results = [message for message in messages if message["role"] == "tool"]
    assert [each["content"] for each in results] == ["Said a", "error: KeyError: 'no'", "Said b"]
    ids = [call["id"] for each in messages for call in each.get("tool_calls", ())]
    assert [each["tool_call_id"] for each in results] == ids
    assert len({*ids}) == 3
    assert [each["name"] for each in results] == ["says", "fails", "says"]


def test_calls_may_be_refused(make_llm: MakeLlm) -> None:
    asked: list[ToolCall] = []

    def approve(call: ToolCall) -> bool:
        asked.append(call)
        return False

    answer, messages = converse(make_llm, asks("says", text="a"), ["Well."], approve=approve)
    assert asked == [ToolCall("says", '{"text": "a"}')]
    assert messages[2]["content"] == REFUSED
    assert answer.text == "Well."


def test_rounds_have_an_end(make_llm: MakeLlm) -> None:
    answers = [asks("says", text="a")] * 4
    answer, messages = converse(make_llm, *answers, most_rounds=2)
    assert answer.tool_calls == (ToolCall("says", '{"text": "a"}'),)
    assert [message["role"] for message in messages][-2:] == ["tool", "assistant"]


def test_chat_takes_functions(make_llm: MakeLlm) -> None:
    llm = make_llm(marks=QWEN, template=TEMPLATE, model=rounds(asks("says", text="a")), n_ctx=4096)
    messages = [{"role": "user", "content": "Hi"}]
    answer = llm.chat(messages, tools=[says], temperature=0)
    assert answer.tool_calls == (ToolCall("says", '{"text": "a"}'),)
    with pytest.raises(TypeError, match="expected a function or a mapping"):
        llm.chat(messages, tools=["says"])  # type: ignore[list-item]


def test_without_calls_there_is_nothing_to_answer(make_llm: MakeLlm) -> None:
    chat = make_llm("x").conversation()
    assert chat.answer_calls() == 0
    assert chat.messages == []


def test_arguments_that_are_not_json_are_a_result() -> None:
    for arguments in ("[" * 100_000, "{"):
        said = Tools([says]).run(ToolCall("says", arguments))
        assert said.startswith("error: says: the arguments are not valid JSON: ")


def test_the_same_answer_has_the_same_ids(make_llm: MakeLlm) -> None:
    both = [*asks("says", text="a"), *asks("says", text="b")]
    llm = make_llm(marks=QWEN, template=TEMPLATE, model=rounds(both, both), n_ctx=4096)
    hi = [{"role": "user", "content": "Hi"}]

    def ids(messages: Any, **options: Any) -> tuple[str, ...]:
        answer = llm.chat(messages, tools=[says], **options)
        found = tuple(call.id for call in answer.tool_calls)
        assert [call["id"] for call in answer.message["tool_calls"]] == [*found]
        with llm.chat(messages, tools=[says], **options, stream=True) as stream:
            assert tuple(call.id for chunk in stream for call in chunk.tool_calls) == found
        assert all(re.fullmatch("[a-zA-Z0-9]{9}", each) for each in found)
        return found

    drawn = [ids(hi, temperature=0.1, seed=seed) for seed in (1, 2, 1)]
    assert drawn[0] == drawn[2]
    greedy = ids(hi, temperature=0)
    assert ids(hi, temperature=0, seed=7) == greedy
    other = ids([{"role": "user", "content": "Ho"}], temperature=0)
    assert len({*drawn[0], *drawn[1], *greedy, *other}) == 8


def test_no_call_has_the_id_of_another() -> None:
    prompt = [1, 2, 3]
    first, second, third = islice(call_ids([], prompt, None), 3)
    calls = [{"id": first, "function": {"name": "f"}}]
    for messages in (
        [{"role": "assistant", "tool_calls": calls}],
        [{"role": "tool", "tool_call_id": first, "content": "x"}],
    ):
        assert [*islice(call_ids(messages, prompt, None), 2)] == [second, third]


def test_calls_in_messages_that_a_person_wrote(make_llm: MakeLlm) -> None:
    chat = make_llm("x").conversation(tools=[says])
    function = {"name": "says", "arguments": {"text": "a"}}
    chat.messages = [{"role": "assistant", "tool_calls": [{"function": function}]}]
    assert chat.answer_calls() == 1
    assert chat.messages[-1] == {"role": "tool", "name": "says", "content": "Said a"}
    chat.messages = [{"role": "assistant", "tool_calls": [{}]}]
    with pytest.raises(ArgumentError, match=r"last message\[0\] has no function"):
        chat.answer_calls()
