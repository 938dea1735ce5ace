"""Calls in chunks, piece by piece, and the same calls in results."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from pestle import LLM, CallDelta, Chunk, ToolCall

from .test_tools import CALL, CALL_END, QWEN, TEMPLATE, asks, rounds, says

MakeLlm = Callable[..., LLM]
HI = [{"role": "user", "content": "Hi"}]
BEGUN = '{"name": "says", "arguments": {"text": "abcdef'
CUT = "the arguments of the call of says are not whole: the answer ends within them"


def answers(make_llm: MakeLlm, *said: list[str | int], **options: Any) -> LLM:
    return make_llm(marks=QWEN, template=TEMPLATE, model=rounds(*said), n_ctx=4096, **options)


def calls_of(chunks: Sequence[Chunk]) -> list[ToolCall]:
    """As a client puts them together."""
    found: list[CallDelta] = []
    for delta in (delta for chunk in chunks for delta in chunk.call_deltas):
        if delta.id:
            assert delta.name
            assert delta.index == len(found)
            found.append(delta)
        else:
            last = found[-1]
            assert (delta.index, delta.name) == (last.index, "")
            assert delta.arguments
            found[-1] = CallDelta(last.index, last.id, last.name, last.arguments + delta.arguments)
    return [ToolCall(each.name, each.arguments, id=each.id) for each in found]


def agree(chunks: Sequence[Chunk], calls: Sequence[ToolCall]) -> None:
    assert [call for chunk in chunks for call in chunk.tool_calls] == [*calls]
    assert calls_of(chunks) == [*calls]
    assert [call.id for call in calls_of(chunks)] == [call.id for call in calls]


def test_calls_come_as_they_are_written(make_llm: MakeLlm) -> None:
    llm = answers(make_llm, [*asks("says", text="a\n\u00e9" * 9), *asks("says", text="b")])
    with llm.chat(HI, tools=[says], temperature=0, stream=True) as stream:
        chunks = [*stream]
    answer = stream.result()
    agree(chunks, answer.tool_calls)
    assert [json.loads(call.arguments)["text"] for call in answer.tool_calls] == [
        "a\n\u00e9" * 9, "b",
    ]  # fmt: skip
    assert sum(bool(chunk.call_deltas) for chunk in chunks) > 80
    assert (answer.text, answer.warnings) == ("", ())


def test_tools_that_are_not_known_come_as_a_whole(make_llm: MakeLlm) -> None:
    llm = answers(make_llm, asks("other", text="a"))
    with llm.chat(HI, tools=[says], temperature=0, stream=True) as stream:
        chunks = [*stream]
    (call,) = stream.result().tool_calls
    deltas = [delta for chunk in chunks for delta in chunk.call_deltas]
    assert deltas == [CallDelta(0, call.id, "other", '{"text": "a"}')]


@pytest.mark.parametrize("n", range(len(BEGUN) - 6, len(BEGUN) + 2))
def test_what_max_tokens_cuts_is_what_was_handed_on(make_llm: MakeLlm, n: int) -> None:
    llm = answers(make_llm, [CALL, BEGUN + '"}}', CALL_END])
    with llm.chat(HI, tools=[says], temperature=0, max_tokens=n, stream=True) as stream:
        chunks = [*stream]
    answer = stream.result()
    agree(chunks, answer.tool_calls)
    (call,) = answer.tool_calls
    assert call.arguments == '{"text": "abcdef"'[: n - BEGUN.index('{"text') - 1]
    assert (answer.text, answer.warnings, answer.finish_reason) == ("", (CUT,), "length")
    again = llm.chat(HI, tools=[says], temperature=0, max_tokens=n)
    assert (again.tool_calls, again.warnings) == (answer.tool_calls, answer.warnings)


def test_what_the_caller_ends_is_what_was_handed_on(make_llm: MakeLlm) -> None:
    llm = answers(make_llm, ["So.", CALL, BEGUN + '"}}', CALL_END])
    chunks = []
    with llm.chat(HI, tools=[says], temperature=0, stream=True) as stream:
        for chunk in stream:
            chunks.append(chunk)
            if len(chunks) == 45:
                stream.cancel()
    answer = stream.result()
    assert answer.finish_reason == "cancelled"
    agree(chunks, answer.tool_calls)
    assert (answer.text, answer.tool_calls[0].arguments) == ("So.", '{"text": "a')


def test_a_call_that_is_left_out_is_not_handed_on(make_llm: MakeLlm) -> None:
    call = json.dumps({"name": "says", "arguments": {"text": "a"}})
    llm = answers(make_llm, [f"[{call}, {call}]"])
    with llm.chat(
        HI, tools=[says], temperature=0, parallel_tool_calls=False, stream=True
    ) as stream:
        chunks = [*stream]
    assert len(calls_of(chunks)) == 1
    agree(chunks, stream.result().tool_calls)


def test_a_call_that_is_not_whole_is_an_error_for_the_model(make_llm: MakeLlm) -> None:
    llm = answers(make_llm, [CALL, BEGUN, CALL_END], ["Sorry."])
    chat = llm.conversation(tools=[says])
    assert chat.converse("Hi", temperature=0).text == "Sorry."
    said = chat.messages[2]["content"]
    assert said.startswith("error: says: the arguments are not valid JSON: Unterminated string")
