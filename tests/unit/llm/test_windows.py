"""Sessions of models with windows: what has left one is gone, but for what is kept of a text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pestle import LLM, Reuse

MakeLlm = Callable[..., LLM]
PROMPT = "a prompt of some length"
SLACK = 8


@pytest.fixture
def llm(make_llm: MakeLlm) -> LLM:
    """Babbles letters; its sequences can be cut back by SLACK tokens."""
    return make_llm(slack=SLACK, seed=3)


def test_an_answer_that_is_not_kept(llm: Any, make_llm: MakeLlm) -> None:
    """As when a chat leaves out the reasoning: the next prompt is read from the last one's end."""
    session = llm.session()
    session.generate(PROMPT, max_tokens=30)
    again = session.generate(PROMPT + "... and more", max_tokens=30, seed=1)
    assert again.usage.cached_tokens == len(PROMPT)
    assert llm.engine.passes[0] == len(PROMPT)
    assert again.text == make_llm().generate(PROMPT + "... and more", max_tokens=30, seed=1).text


def test_an_answer_once_more(llm: Any) -> None:
    session = llm.session()
    for _ in range(3):
        session.generate(PROMPT, max_tokens=30)
    assert llm.engine.passes.count(len(PROMPT)) == 1
    assert session.generate(PROMPT, max_tokens=30).usage.cached_tokens == len(PROMPT) - 1


def test_a_few_tokens_back(llm: Any) -> None:
    """Within the slack the text itself is cut back: it holds more than was kept."""
    session = llm.session()
    first = session.generate(PROMPT, max_tokens=30)
    n_kept = 29 - SLACK
    again = session.generate(PROMPT + first.text[:n_kept] + "!", max_tokens=1)
    assert again.usage.cached_tokens == len(PROMPT) + n_kept


def test_every_prompt_that_was_read_is_kept(llm: Any) -> None:
    """As when a chat leaves out what was thought and called before the last question."""
    session = llm.session()
    session.generate(PROMPT, max_tokens=30)
    session.generate(PROMPT + " that grows", max_tokens=30)
    assert session.generate(PROMPT + "!", max_tokens=1).usage.cached_tokens == len(PROMPT)
    again = session.generate(PROMPT + " that grows!", max_tokens=1)
    assert again.usage.cached_tokens == len(PROMPT + " that grows")


def test_what_windows_have_left_is_told(make_llm: MakeLlm) -> None:
    session = make_llm(slack=SLACK, reach=SLACK, seed=3).session()
    first = session.generate(PROMPT, max_tokens=30)
    again = session.generate(PROMPT + first.text[:9] + "!", max_tokens=1)
    n = len(PROMPT) + 9
    assert again.reuse == Reuse(len(PROMPT), n, tuple(first.token_ids[9:21]), (ord("!"),))


def test_another_text(llm: Any, make_llm: MakeLlm) -> None:
    session = llm.session()
    session.generate(PROMPT, max_tokens=30)
    again = session.generate("something else", max_tokens=9, seed=2)
    assert again.usage.cached_tokens == 0
    assert again.text == make_llm().generate("something else", max_tokens=9, seed=2).text
    assert session.n_tokens == len("something else") + 8


def test_a_fork_comes_back_too(llm: Any) -> None:
    session = llm.session()
    session.generate(PROMPT, max_tokens=30)
    fork = session.fork()
    for each in (fork, session):
        again = each.generate(PROMPT + "!", max_tokens=30)
        assert again.usage.cached_tokens == len(PROMPT)


def test_a_reset_has_none(llm: Any) -> None:
    session = llm.session()
    session.generate(PROMPT, max_tokens=30)
    session.reset()
    assert session.generate(PROMPT + "!", max_tokens=1).usage.cached_tokens == 0


def test_a_stream_that_is_left(llm: Any) -> None:
    session = llm.session()
    with session.generate(PROMPT, stream=True) as stream:
        for _ in range(20):
            next(stream)
    again = session.generate(PROMPT + "!", max_tokens=1)
    assert again.usage.cached_tokens == len(PROMPT)


def test_calls_without_a_session(llm: Any) -> None:
    llm.generate(PROMPT, max_tokens=30)
    assert llm.generate(PROMPT + "!", max_tokens=1).usage.cached_tokens == len(PROMPT)


def test_a_closed_model_holds_nothing(make_llm: MakeLlm) -> None:
    """It would keep the weights."""
    llm: Any = make_llm(slack=SLACK)
    session = llm.session()
    session.generate(PROMPT, max_tokens=30)
    engine = llm.engine
    assert len(engine.sequences) == 1
    llm.close()
    assert engine.sequences == []
