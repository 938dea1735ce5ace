"""`LLM.close`: the model goes at once, whoever still has a session or a stream of it."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from pestle import LLM, Error

MakeLlm = Callable[..., LLM]
PROMPT = "\x02"
HELLO = [{"role": "user", "content": "Hello"}]


class Watched:
    """What goes when the engine does: the real one's sequences hold it, so here they hold this."""


@pytest.fixture
def watched_llm(make_llm: MakeLlm) -> tuple[LLM, Callable[[], object]]:
    """An LLM, and what gives None once neither its engine nor a sequence of it is alive."""
    llm: Any = make_llm("abcdef")
    watched = Watched()
    make_sequence = type(llm.engine).sequence

    def sequence(remembered: bool = True) -> Any:
        made = make_sequence(llm_engine())
        made.engine = watched
        made.fork = lambda n: sequence()
        return made

    llm_engine = weakref.ref(llm.engine)
    llm.engine.sequence = sequence
    return llm, weakref.ref(watched)


def test_every_use_of_a_closed_model_is_refused(make_llm: MakeLlm) -> None:
    with make_llm("abc") as llm:
        session, chat = llm.session(), llm.conversation()
        session.generate(PROMPT, max_tokens=1)
        stream = llm.generate(PROMPT, stream=True, temperature=0)
        next(stream)
        begun = session.generate(PROMPT, stream=True)
    uses: list[Callable[[], object]] = [
        lambda: llm.generate(PROMPT),
        lambda: llm.chat(HELLO),
        lambda: llm.logits(PROMPT),
        lambda: llm.tokenize("x"),
        lambda: llm.n_ctx,
        llm.session,
        llm.conversation,
        lambda: session.generate(PROMPT),
        lambda: session.n_tokens,
        lambda: session.tokens,
        session.fork,
        session.reset,
        lambda: chat.ask("Hello"),
        lambda: next(stream),
        begun.result,
        lambda: asyncio.run(llm.agenerate(PROMPT)),
    ]
    for use in uses:
        with pytest.raises(Error, match="the model is closed"):
            use()
    llm.close()


def test_sessions_and_streams_do_not_keep_the_model(
    watched_llm: tuple[LLM, Callable[[], object]],
) -> None:
    llm, watched = watched_llm
    session = llm.session()
    fork = session.fork()
    kept = session.generate(PROMPT, stream=True)
    stream = llm.generate(PROMPT, stream=True)
    next(kept), next(stream)
    assert watched() is not None
    llm.close()
    gc.collect()
    assert watched() is None
    del session, fork, kept, stream


@pytest.mark.parametrize("end", ["close", "result", "drop"])
def test_a_stream_that_ends_later_leaves_nothing(make_llm: MakeLlm, end: str) -> None:
    llm: Any = make_llm("abc")
    stream = llm.generate(PROMPT, stream=True)
    next(stream)
    engine = llm.engine
    assert len(engine.sequences) == 1
    llm.close()
    if end == "close":
        stream.close()
        assert stream.result().finish_reason == "cancelled"
    elif end == "result":
        with pytest.raises(Error, match="closed"):
            stream.result()
    del stream
    assert engine.sequences == []


def test_closing_waits_for_the_pass_in_progress(make_llm: MakeLlm) -> None:
    llm: Any = make_llm("abc")
    engine = llm.engine
    entered, go_on = threading.Event(), threading.Event()

    def block() -> None:
        entered.set()
        assert go_on.wait(10)

    engine.before = block
    errors: list[Error] = []

    def work() -> None:
        try:
            llm.generate(PROMPT)
        except Error as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert entered.wait(10)
    closing = threading.Thread(target=llm.close)
    closing.start()
    while not engine.runtime.closed:
        time.sleep(0.001)
    assert closing.is_alive()
    go_on.set()
    closing.join(10)
    thread.join(10)
    assert len(errors) == 1
    assert "closed" in str(errors[0])
    assert engine.sequences == []
