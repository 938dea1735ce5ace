"""What clients send that no template was written for, over a real port."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pestle import LLM
from pestle.formats.harmony import MARKS
from pestle.server.thinking import thinking_options

from tests.unit.llm.test_reasoning import HARMONY_TEMPLATE
from tests.unit.llm.test_reasoning import TEMPLATE as WITH_A_SWITCH

from .scripted import calls, scripted
from .serving import Client

MakeLlm = Callable[..., LLM]
Serve = Callable[..., Client]
PATH = "/v1/chat/completions"
ALTERNATES = (
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}"
    "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)


@pytest.mark.parametrize("path", [PATH, "/v1/messages"])
def test_a_message_of_the_system_between_others(make_llm: MakeLlm, serve: Serve, path: str) -> None:
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Why?"},
    ]
    llm = make_llm("So.", template=ALTERNATES)
    answer = serve(llm).post(path, {"model": "fake", "messages": messages, "max_tokens": 9})
    assert answer.status == 200
    told = [*messages[:2], {"role": "user", "content": "Be brief.\n\nWhy?"}]
    usage = answer.json["usage"]
    counted = usage.get("prompt_tokens") or usage["input_tokens"]
    assert counted == len(llm.chat_tokens(told))


def test_some_tools_only(make_llm: MakeLlm, serve: Serve) -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in ("look", "listen")]
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "look"}}]}
    fields: dict[str, Any] = {
        "messages": [{"role": "user", "content": "Hi"}],
        "tools": tools,
        "tool_choice": {"type": "allowed_tools", "allowed_tools": allowed},
        "temperature": 0,
        "parallel_tool_calls": False,
        "reasoning_effort": "none",
    }
    answer = serve(scripted(make_llm, calls("look"))).post(PATH, fields)
    (call,) = answer.json["choices"][0]["message"]["tool_calls"]
    assert call["function"] == {"name": "look", "arguments": "{}"}


def test_who_always_thinks_thinks_least(make_llm: MakeLlm) -> None:
    always = make_llm(marks=MARKS, template=HARMONY_TEMPLATE, architecture="gpt-oss")
    assert thinking_options(always, effort="none") == {"reasoning_effort": "low"}
    assert thinking_options(always, effort="xhigh") == {"reasoning_effort": "high"}
    switched = make_llm(template="<think>" + WITH_A_SWITCH, architecture="qwen3")
    assert thinking_options(switched, effort="none") == {"reasoning": False}
