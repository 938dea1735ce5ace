"""Conversations that outgrow the context: an error with the counts, or whole turns that go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pestle import LLM, ContextLengthError
from pestle.chat.sliding import slide

MakeLlm = Callable[..., LLM]
ROLES = st.sampled_from(["user", "assistant", "tool", "system"])
MESSAGES = st.lists(st.tuples(ROLES, st.integers(1, 60)), min_size=1, max_size=12)


def count(messages: list[dict[str, Any]]) -> int:
    return sum(message["size"] for message in messages)


@given(MESSAGES, st.integers(20, 200), st.none() | st.integers(1, 30))
def test_what_goes(sizes: list[tuple[str, int]], n_ctx: int, max_tokens: int | None) -> None:
    messages = [{"role": role, "size": size} for role, size in sizes]
    kept, dropped = slide(messages, count, n_ctx, max_tokens)
    head = next((i for i, m in enumerate(messages) if m["role"] != "system"), 0)
    assert kept[:head] == messages[:head]  # never the system's
    assert messages == [*messages[:head], *dropped, *kept[head:]]
    users = [i for i, m in enumerate(messages) if m["role"] == "user"]
    room = min(n_ctx // 8, max_tokens or n_ctx)
    if not dropped:
        last = not any(i > head for i in users)
        assert last or count(messages) + room <= n_ctx
        return
    start = head + len(dropped)
    assert start in users  # whole turns
    assert count(kept) + 2 * room <= n_ctx or start == users[-1]  # never the last
    before = [i for i in users if head < i < start]
    for i in before:  # and no more than have to
        assert count([*messages[:head], *messages[i:]]) + 2 * room > n_ctx


def asked(chat: Any, n: int) -> None:
    for i in range(n):
        chat.ask(f"question {i}", max_tokens=8, seed=1)


def test_it_is_an_error_by_default(make_llm: MakeLlm) -> None:
    chat = make_llm(n_ctx=150).conversation("Be brief.")
    with pytest.raises(ContextLengthError) as caught:
        asked(chat, 9)
    said = [message for message in chat.messages if message["role"] == "user"]
    assert (
        str(caught.value) == f"the prompt has {caught.value.needed} tokens, the context holds 150"
    )
    assert f"question {len(said)}" not in str(chat.messages)


def test_the_oldest_turns_go(make_llm: MakeLlm) -> None:
    llm: Any = make_llm(n_ctx=200)
    chat = llm.conversation("Be brief.", on_full="slide")
    gone: list[Any] = []
    for i in range(12):
        asked_now = f"question {i}"
        answer = chat.ask(asked_now, max_tokens=8, seed=1)
        gone += chat.dropped
        assert answer.finish_reason == "length"
        assert answer.usage.total_tokens <= 200
        assert chat.messages[0] == {"role": "system", "content": "Be brief."}
        assert chat.messages[-2]["content"] == asked_now
    contents = [m["content"] for m in (*gone, *chat.messages[1:]) if m["role"] == "user"]
    assert contents == [f"question {i}" for i in range(12)]
    assert len(gone) % 2 == 0


def test_a_last_turn_that_is_too_long(make_llm: MakeLlm) -> None:
    chat = make_llm(n_ctx=100).conversation(on_full="slide")
    chat.ask("hello", max_tokens=2, seed=1)
    before = [*chat.messages]
    with pytest.raises(ContextLengthError, match=r"has \d+ tokens, the context holds 100"):
        chat.ask("much " * 30)
    assert chat.messages == before


def test_other_choices_are_refused(llm: LLM) -> None:
    with pytest.raises(ValueError, match="on_full is 'cut', expected error or slide"):
        llm.conversation(on_full="cut")
