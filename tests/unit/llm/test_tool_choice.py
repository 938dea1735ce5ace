"""Which tools may be called: every form of `tool_choice`, held or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pestle import LLM, ArgumentError, ArgumentTypeError, ToolCall
from pestle.chat.choice import ToolChoice, once_called, tool_choice

from .test_reasoning import CALL, CALL_END, CLOSE, HELLO, OPEN, scripted
from .test_reasoning import TEMPLATE as TELLS_NOTHING
from .test_structure import SCHEMA, TELLS, TOOL, insists, qwen

MakeLlm = Callable[..., LLM]
OTHER = {"type": "function", "function": {"name": "g", "parameters": SCHEMA}}
NAMED = {"type": "function", "function": {"name": "f"}}
FLAT = {"type": "function", "name": "f"}


def allowed(mode: str, *tools: Any) -> dict[str, Any]:
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [*tools]}}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, ToolChoice()),
        ("auto", ToolChoice()),
        ("none", ToolChoice(tells=False)),
        ("required", ToolChoice(must_call=True)),
        (NAMED, ToolChoice(must_call=True, names=frozenset("f"), one=True)),
        (FLAT, ToolChoice(must_call=True, names=frozenset("f"), one=True)),
        (allowed("auto", NAMED), ToolChoice(names=frozenset("f"))),
        (allowed("required", FLAT, OTHER), ToolChoice(must_call=True, names=frozenset("fg"))),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [FLAT]},
            ToolChoice(names=frozenset("f")),
        ),
    ],
)
def test_forms(choice: Any, expected: ToolChoice) -> None:
    assert tool_choice(choice, [TOOL, OTHER]) == expected


@pytest.mark.parametrize(
    ("choice", "why"),
    [
        ("some", "tool_choice is 'some', expected auto, none, required, or a function"),
        ({"type": "web_search"}, "tool_choice is {'type': 'web_search'}, expected auto"),
        ({"type": "function", "function": {"name": "h"}}, "tool_choice names 'h', known: f, g"),
        (allowed("auto", {"name": "h"}), "tool_choice names 'h', known: f, g"),
        (allowed("always", NAMED), "tool_choice: mode is 'always', expected auto or required"),
        (allowed("auto"), "tool_choice: tools is [], expected a list of tools"),
        (allowed("auto", 3), "tool_choice: tools[0] is 3, expected a function"),
        ({"type": "allowed_tools", "allowed_tools": 3}, "allowed_tools is 3, expected a mapping"),
    ],
)
def test_what_is_wrong_is_named(choice: Any, why: str) -> None:
    with pytest.raises((ArgumentError, ArgumentTypeError)) as raised:
        tool_choice(choice, [TOOL, OTHER])
    assert why in str(raised.value)


def test_what_is_forced_is_forced_once() -> None:
    assert [once_called(each) for each in ("none", "auto", "required", NAMED, None)] == [
        "none", None, None, None, None,
    ]  # fmt: skip
    assert once_called(allowed("required", NAMED)) == allowed("auto", NAMED)


def test_an_answer_is_held_to_the_allowed_tools(make_llm: MakeLlm) -> None:
    wrong = '\n{"name": "g", "arguments": {"n": 7}}\n'
    model = insists(263, OPEN, CLOSE, "So.\n", CALL, wrong, CALL_END)
    llm = qwen(make_llm, model, n_ctx=600)
    options: Any = {"tools": [TOOL, OTHER], "temperature": 0, "max_tokens": 70}
    free = llm.chat(HELLO, **options)
    assert ToolCall("g", '{"n": 7}') in free.tool_calls
    held = llm.chat(HELLO, **options, tool_choice=allowed("auto", NAMED))
    assert {call.name for call in held.tool_calls} == {"f"}
    assert held.text.startswith("So.")
    # The prompt is the same, so nothing of it is read again.
    assert held.usage.prompt_tokens == free.usage.prompt_tokens
    assert held.usage.cached_tokens > free.usage.prompt_tokens - 70


def test_where_it_cannot_be_held_it_hears_of_no_others(make_llm: MakeLlm) -> None:
    said = '<tool_call>\n{"name": "g", "arguments": {"n": 7}}\n</tool_call>'
    llm = make_llm(template=TELLS + TELLS_NOTHING, model=scripted(said), n_ctx=600)
    options: Any = {"tools": [TOOL, OTHER], "temperature": 0}
    assert llm.chat(HELLO, **options).tool_calls == (ToolCall("g", '{"n": 7}'),)
    with llm.chat(HELLO, **options, tool_choice=allowed("auto", NAMED), stream=True) as stream:
        assert not any(chunk.call_deltas for chunk in stream)
    answer = stream.result()
    assert (answer.text, answer.tool_calls) == ("", ())
    assert answer.warnings == ("a call of g, which may not be called, is left out",)
    alone = llm.chat_tokens(HELLO, [TOOL])
    assert (
        llm.chat_tokens(HELLO, [TOOL, OTHER], None, {"tool_choice": allowed("auto", NAMED)})
        == alone
    )
