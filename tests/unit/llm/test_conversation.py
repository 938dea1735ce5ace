"""Conversations: what becomes history, and when."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pestle import LLM, ContextLengthError

MakeLlm = Callable[..., LLM]


def test_history_grows(make_llm: MakeLlm) -> None:
    chat = make_llm("Yes.").conversation("Be brief.")
    assert chat.ask("Sure?", temperature=0).text == "Yes."
    assert chat.messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Sure?"},
        {"role": "assistant", "content": "Yes."},
    ]
    again = chat.ask("Really?", temperature=0)
    assert again.usage.cached_tokens > 30
    assert len(chat.messages) == 5


def test_streamed(make_llm: MakeLlm) -> None:
    chat = make_llm("Yes.").conversation()
    stream = chat.ask("Sure?", stream=True, temperature=0)
    assert chat.messages == []
    assert "".join(chunk.text for chunk in stream) == "Yes."
    assert [message["role"] for message in chat.messages] == ["user", "assistant"]


def test_an_interrupted_answer_stays_as_far_as_it_came(make_llm: MakeLlm) -> None:
    llm: Any = make_llm("A long story")
    chat = llm.conversation()

    def interrupt() -> None:
        if len(llm.engine.passes) == 6:
            raise KeyboardInterrupt

    llm.engine.before = interrupt
    with pytest.raises(KeyboardInterrupt):
        chat.ask("Tell me a story", temperature=0)
    assert chat.messages[-1] == {"role": "assistant", "content": "A long"}
    llm.engine.before = lambda: None
    chat.regenerate(temperature=0)
    assert chat.messages == [
        {"role": "user", "content": "Tell me a story"},
        {"role": "assistant", "content": "A long story"},
    ]


def test_no_answer_leaves_no_question(make_llm: MakeLlm) -> None:
    llm: Any = make_llm("A story", n_ctx=60)
    chat = llm.conversation()

    def interrupt() -> None:
        raise KeyboardInterrupt

    llm.engine.before = interrupt
    with pytest.raises(KeyboardInterrupt):
        chat.ask("Hi")
    with pytest.raises(ContextLengthError):
        chat.ask("Hi" * 40)
    assert chat.messages == []


def test_regenerate_needs_a_question(make_llm: MakeLlm) -> None:
    with pytest.raises(ValueError, match="no question"):
        make_llm("x").conversation("System.").regenerate()


def test_clear_keeps_the_system_message(make_llm: MakeLlm) -> None:
    chat = make_llm("Yes.").conversation("Be brief.")
    chat.ask("Sure?", temperature=0)
    chat.clear()
    assert chat.messages == [{"role": "system", "content": "Be brief."}]
