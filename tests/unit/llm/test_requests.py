"""Requests are read once, checked before a text is laid out; a schema is compiled once for all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from llguidance import LLMatcher
from pestle import (
    LLM,
    ArgumentError,
    ArgumentTypeError,
    GrammarError,
    TemplateError,
    UnsupportedError,
)
from pestle.chat import tools as tools_of_chats
from pestle.constraints import matcher

MakeLlm = Callable[..., LLM]
HELLO = [{"role": "user", "content": "Hello!"}]
ANSWER = '{"n": 1}'
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
REFUSES = "{{ raise_exception('laid out') }}"


@contextmanager
def compilations(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The grammars that are compiled meanwhile."""
    compiled: list[str] = []

    class Counted:
        """In the place of the class: its constructor is counted."""

        def __call__(self, tokenizer: Any, grammar: str, **options: Any) -> Any:
            compiled.append(grammar)
            return LLMatcher(tokenizer, grammar, **options)

        def __getattr__(self, name: str) -> Any:
            return getattr(LLMatcher, name)

    with monkeypatch.context() as patch:
        patch.setattr(matcher, "LLMatcher", Counted())
        yield compiled


def test_a_schema_is_compiled_once(make_llm: MakeLlm, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the check, calls, lists and all turns of a conversation together."""
    llm = make_llm(ANSWER, n_ctx=2000)
    with compilations(monkeypatch) as compiled:
        llm.check_switches(json_schema=SCHEMA)
        for _ in range(2):
            assert llm.chat(HELLO, json_schema=SCHEMA, max_tokens=20).text == ANSWER
        done = llm.chat_all([HELLO] * 3, json_schema=SCHEMA, max_tokens=20)
        assert [answer.text for answer in done] == [ANSWER] * 3
        chat = llm.conversation(on_full="slide")
        chat.ask("Hello!", json_schema=SCHEMA, max_tokens=20)
        assert chat.regenerate(json_schema=SCHEMA, max_tokens=20).text == ANSWER
        assert llm.generate("n:\x02", json_schema=SCHEMA, max_tokens=20).text == ANSWER
        assert len(compiled) == 1
        llm.chat(HELLO, json_schema={"type": "object", "maxProperties": 0}, max_tokens=20)
        assert len(compiled) == 2


def test_another_model_compiles_its_own(make_llm: MakeLlm, monkeypatch: pytest.MonkeyPatch) -> None:
    with compilations(monkeypatch) as compiled:
        for _ in range(2):
            make_llm(ANSWER).check_switches(json_schema=SCHEMA)
    assert len(compiled) == 2


def test_only_the_grammars_used_last_are_kept(
    make_llm: MakeLlm, monkeypatch: pytest.MonkeyPatch
) -> None:
    llm = make_llm(ANSWER)
    with compilations(monkeypatch) as compiled:
        for n in range(100):
            llm.check_switches(choice=[f"choice {n}"])
        assert len(compiled) == 100
        llm.check_switches(choice=["choice 99"])
        assert len(compiled) == 100
        llm.check_switches(choice=["choice 0"])
        assert len(compiled) == 101


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"grammar": "start: missing"}, GrammarError),
        ({"json_schema": {"type": "sting"}}, GrammarError),
        ({"temperature": -1}, ArgumentError),
        ({"logprobs": 10**6}, ArgumentError),
        ({"stop": 5}, ArgumentTypeError),
        ({"tool_choice": "required"}, ArgumentError),
        ({"parallel_tool_calls": 1}, ArgumentTypeError),
        ({"reasoning": True}, UnsupportedError),
        ({"reasoning_budget": 3}, UnsupportedError),
        ({"temprature": 0}, ArgumentTypeError),
    ],
)
def test_all_is_checked_before_a_chat_is_laid_out(
    make_llm: MakeLlm, options: dict[str, Any], error: type[Exception]
) -> None:
    llm = make_llm(template=REFUSES)
    with pytest.raises(TemplateError, match="laid out"):
        llm.chat(HELLO)
    with pytest.raises(error):
        llm.chat(HELLO, **options)
    with pytest.raises(error):
        llm.conversation().ask("Hello!", **options)
    with pytest.raises(error):
        llm.chat_all([HELLO, HELLO], **options)
    with pytest.raises(error):
        llm.check_switches(**options)


def test_a_list_is_checked_before_any_of_it_is_laid_out(make_llm: MakeLlm) -> None:
    with pytest.raises(ArgumentError, match=r"^chats\[1\]: messages\[0\] has no content$"):
        make_llm(template=REFUSES).chat_all([HELLO, [{"role": "user"}]])


def test_tools_are_described_once(make_llm: MakeLlm, monkeypatch: pytest.MonkeyPatch) -> None:
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    described: list[Any] = []
    describe = tools_of_chats.function_of  # type: ignore[attr-defined]
    monkeypatch.setattr(
        tools_of_chats,
        "function_of",
        lambda tool: described.append(tool) or describe(tool),  # type: ignore[func-returns-value]
    )
    tells = "{% for t in tools %}{{ t | tojson }}{% endfor %}{{ messages[-1].content }}"
    llm = make_llm(template=tells, n_ctx=2000)
    chat = llm.conversation(tools=[add], on_full="slide")
    for _ in range(2):
        chat.ask("Hello!", max_tokens=1)
    assert chat.tools == (add,)
    llm.chat_all([HELLO] * 3, tools=[add], max_tokens=1)
    assert described == [add, add]
    chat.tools = None
    assert chat.tools is None
    with pytest.raises(ArgumentTypeError, match=r"^tools\[0\] is 5"):
        llm.conversation(tools=[5])  # type: ignore[list-item]
