"""Sessions: which tokens are computed again, forks, resets, exclusive use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pestle import LLM, ContextLengthError, Error

MakeLlm = Callable[..., LLM]


def test_a_shared_prefix_is_kept(llm: Any) -> None:
    session = llm.session()
    first = session.generate("the same beginning, then A", max_tokens=1)
    second = session.generate("the same beginning, then B!", max_tokens=1)
    assert (first.usage.cached_tokens, second.usage.cached_tokens) == (0, 25)
    assert llm.engine.passes == [26, 2]
    assert second.timings.prefill_tokens == 2
    assert session.tokens == list(b"the same beginning, then B!")
    assert session.n_tokens == 27


def test_the_last_token_is_always_read(llm: Any) -> None:
    session = llm.session()
    session.generate("hello", max_tokens=1)
    assert session.generate("hello", max_tokens=1).usage.cached_tokens == 4
    assert session.generate("hell", max_tokens=1).usage.cached_tokens == 3
    assert llm.engine.passes == [5, 1, 1]


def test_an_answer_is_kept_too(llm: LLM) -> None:
    session = llm.session()
    first = session.generate("hello", max_tokens=10)
    longer = "hello" + first.text + "!"
    # Of the answer's ten tokens, nobody has read the last.
    assert session.generate(longer, max_tokens=1).usage.cached_tokens == 14


def test_a_session_changes_no_result(llm: LLM, make_llm: MakeLlm) -> None:
    session = llm.session()
    for prompt in ("abc", "abcdef", "abd", "x", "abcdefgh"):
        done = session.generate(prompt, max_tokens=9, seed=4)
        assert done.text == make_llm().generate(prompt, max_tokens=9, seed=4).text


def test_chat_reads_only_what_is_new(make_llm: MakeLlm) -> None:
    llm: Any = make_llm("Fine.")
    session = llm.session()
    messages = [{"role": "user", "content": "How are you?"}]
    first = session.chat(messages, temperature=0)
    messages += [first.message, {"role": "user", "content": "Really?"}]
    second = session.chat(messages, temperature=0)
    assert second.usage.cached_tokens == first.usage.prompt_tokens + len("Fine.")


def test_a_prompt_over_the_context_keeps_the_session(make_llm: MakeLlm) -> None:
    session = make_llm(n_ctx=16).session()
    session.generate("hello", max_tokens=2)
    with pytest.raises(ContextLengthError):
        session.generate("hello" * 4)
    assert session.generate("hello", max_tokens=1).usage.cached_tokens == 4


def test_fork(llm: LLM) -> None:
    session = llm.session()
    session.generate("a common prefix", max_tokens=1)
    other = session.fork()
    assert other.tokens == session.tokens
    assert other.generate("a common prefix and more", max_tokens=3).usage.cached_tokens == 15
    assert session.tokens == list(b"a common prefix")
    assert other.n_tokens == 26


def test_reset(llm: LLM) -> None:
    session = llm.session()
    session.generate("hello", max_tokens=3)
    session.reset()
    assert session.tokens == []
    assert session.generate("hello", max_tokens=1).usage.cached_tokens == 0


def test_one_generation_at_a_time(llm: LLM) -> None:
    session = llm.session()
    with session.generate("x", stream=True) as stream:
        next(stream)
        for call in (lambda: session.generate("y"), session.fork, session.reset):
            with pytest.raises(Error, match="in use"):
                call()
    assert session.generate("y", max_tokens=1).token_ids


def test_an_llm_keeps_the_last_prefix(llm: Any) -> None:
    assert llm.generate("a long prompt", max_tokens=1).usage.cached_tokens == 0
    assert llm.generate("a long question", max_tokens=1).usage.cached_tokens == 7
