"""Calls in answers: in forms that the template does not teach, and no more than one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pestle import LLM, CallDelta, ToolCall

from .test_tools import QWEN, TEMPLATE, asks, rounds, says

MakeLlm = Callable[..., LLM]
HI = [{"role": "user", "content": "Hi"}]
CALL = json.dumps({"name": "says", "arguments": {"text": "a"}})
FENCED = f"I will.\n\n```json\n{CALL}\n```\n"
A = ToolCall("says", '{"text": "a"}')
NOTE = "the call of says is not written as the chat template teaches"
STRICT = {
    "type": "function",
    "function": {"name": "says", "strict": True, "parameters": {"type": "object"}},
}


def answers(make_llm: MakeLlm, *said: list[str | int], marks: tuple[str, ...] = QWEN) -> LLM:
    return make_llm(marks=marks, template=TEMPLATE, model=rounds(*said), n_ctx=4096)


def test_a_fenced_call_is_a_call(make_llm: MakeLlm) -> None:
    llm = answers(make_llm, [FENCED])
    answer = llm.chat(HI, tools=[says], temperature=0)
    assert (answer.text, answer.tool_calls, answer.warnings) == ("I will.", (A,), (NOTE,))
    with llm.chat(HI, tools=[says], temperature=0, stream=True) as stream:
        chunks = [*stream]
    assert "".join(chunk.text for chunk in chunks) == "I will."
    assert [call for chunk in chunks for call in chunk.tool_calls] == [A]
    assert [warning for chunk in chunks for warning in chunk.warnings] == [NOTE]
    deltas = [delta for chunk in chunks for delta in chunk.call_deltas]
    assert deltas == [CallDelta(0, answer.tool_calls[0].id, "says", A.arguments)]


def test_it_comes_back_as_the_template_writes_calls(make_llm: MakeLlm) -> None:
    llm = answers(make_llm, [FENCED], ["Done."])
    chat = llm.conversation(tools=[says])
    assert chat.converse("Hi", temperature=0).text == "Done."
    assert [m["role"] for m in chat.messages] == ["user", "assistant", "tool", "assistant"]
    assert chat.messages[2]["content"] == "Said a"
    spelled = llm.tokenizer.decode(llm.chat_tokens(chat.messages), skip_special=False)
    assert 'I will.<tool_call>says{"text": "a"}</tool_call>' in spelled


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tools": None},
        {"tools": []},
        {"tools": [{"name": "other"}]},
        {"tools": [says], "tool_choice": "none"},
        {"tools": [STRICT]},
    ],
)
def test_it_is_content_where_it_may_not_be_a_call(make_llm: MakeLlm, options: Any) -> None:
    answer = answers(make_llm, [FENCED]).chat(HI, temperature=0, **options)
    assert (answer.text, answer.tool_calls, answer.warnings) == (FENCED, (), ())


def test_json_that_was_asked_for_is_content(make_llm: MakeLlm) -> None:
    llm = answers(make_llm, [CALL])
    answer = llm.chat(HI, tools=[says], temperature=0, regex=r"\{.*\}")
    assert (answer.text, answer.tool_calls) == (CALL, ())


def test_a_model_without_marks_of_its_own(make_llm: MakeLlm) -> None:
    template = TEMPLATE.replace("<tool_call>", "(").replace("</tool_call>", ")")
    llm = make_llm(template=template, model=rounds([CALL]), n_ctx=4096)
    assert llm.chat(HI, tools=[says], temperature=0).tool_calls == (A,)


@pytest.mark.parametrize("second", [asks("says", text="b"), [f"\n```json\n{CALL}\n```"]])
def test_one_call_ends_the_answer(make_llm: MakeLlm, second: list[str | int]) -> None:
    llm = answers(make_llm, [*asks("says", text="a"), *second])
    assert len(llm.chat(HI, tools=[says], temperature=0).tool_calls) == 2
    answer = llm.chat(HI, tools=[says], temperature=0, parallel_tool_calls=False)
    assert (answer.tool_calls, answer.text, answer.warnings) == ((A,), "", ())
    assert (answer.finish_reason, answer.stop_reason) == ("stop", None)
    assert (
        len(answer.token_ids) == len(json.dumps({"name": "says", "arguments": {"text": "a"}})) + 2
    )
    with llm.chat(HI, tools=[says], temperature=0, parallel_tool_calls=False, stream=True) as s:
        assert [chunk.finish_reason for chunk in s][-1] == "stop"


def test_calls_that_come_at_once_are_told_of(make_llm: MakeLlm) -> None:
    llm = answers(make_llm, [f"[{CALL}, {CALL}]"])
    answer = llm.chat(HI, tools=[says], temperature=0, parallel_tool_calls=False)
    assert answer.tool_calls == (A,)
    assert answer.warnings == (NOTE, "a further call, of says, is left out")


def test_text_before_the_one_call_is_whole(make_llm: MakeLlm) -> None:
    llm = answers(make_llm, ["So st", *asks("says", text="a"), "more"])
    answer = llm.chat(HI, tools=[says], temperature=0, parallel_tool_calls=False, stop="stop")
    assert (answer.text, answer.tool_calls) == ("So st", (A,))
    without = answers(make_llm, ["So."]).chat(
        HI, tools=[says], temperature=0, parallel_tool_calls=False
    )
    assert (without.text, without.stop_reason) == ("So.", 257)
