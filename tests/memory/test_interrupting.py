"""A pass that streams experts ends early, on Ctrl-C and where nobody wants it any more."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from pestle import LLM, _core
from pestle.errors import InterruptionError

CHUNK = 6000
TOKENS = [(7 * i) % 200 for i in range(CHUNK)]
"""A pass of seconds. How many they are decides nothing but how often a test has to try."""
TRIES = 20


@pytest.fixture(scope="module")
def model(mixture: Path) -> _core.Model:
    layout = _core.expert_layout(_core.GgufFile(mixture))
    return _core.Model(mixture, threads=2, expert_memory=layout.bytes(layout.min_slots))


def engine_of(model: _core.Model) -> _core.Engine:
    return _core.Engine(model, n_ctx=8192, threads=2, chunk=CHUNK)


def begun(model: _core.Model) -> int:
    """Tokens of passes that have come to the first experts."""
    traffic = model.expert_traffic
    assert traffic is not None
    return traffic.tokens


def is_past(model: _core.Model, tokens: int) -> bool:
    return begun(model) > tokens


@contextmanager
def later(function: Callable[[], object], ready: Callable[[], bool]) -> Iterator[None]:
    """Has another thread call it once it is time."""

    def wait() -> None:
        while not ready() and not over.is_set():
            time.sleep(0.001)
        function()

    over = threading.Event()
    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def check_goes_on(model: _core.Model, engine: _core.Engine, sequence: _core.Sequence) -> None:
    """As if nothing had been, to the bit."""
    more = TOKENS[sequence.n_tokens : 40]
    engine.step([(sequence, more)])
    other = engine_of(model)
    text = other.sequence()
    other.step([(text, TOKENS[:40])])
    assert np.array_equal(engine.logits(), other.logits())


def test_interrupt(model: _core.Model) -> None:
    for _ in range(TRIES):
        engine = engine_of(model)
        sequence = engine.sequence()
        engine.step([(sequence, TOKENS[:20])], "none")
        counts, start = engine.expert_counts(), begun(model)
        with later(engine.interrupt, partial(is_past, model, start)):
            try:
                engine.step([(sequence, TOKENS[20:])], "none")
            except InterruptionError as error:
                assert str(error) == "the pass was given up, as was asked for"  # noqa: PT017
                break
    else:
        pytest.fail("no pass was interrupted")
    assert begun(model) > start  # in its middle
    assert sequence.n_tokens == 20
    assert np.array_equal(engine.expert_counts(), counts)
    check_goes_on(model, engine, sequence)
    engine.interrupt()  # what begins next is given up, and nothing after it
    with pytest.raises(InterruptionError):
        engine.step([(sequence, TOKENS[:1])])
    engine.step([(sequence, TOKENS[:1])])


needs_alarms = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs POSIX's alarms")


@contextmanager
def ctrl_c(after: float) -> Iterator[None]:
    """What the terminal sends, to the main thread, in so many seconds."""
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, after)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def repeat(function: Callable[[], object], after: float) -> None:
    """Until Ctrl-C comes."""
    with ctrl_c(after):
        while True:
            function()


@needs_alarms
def test_ctrl_c(model: _core.Model) -> None:
    engine = engine_of(model)
    sequence = engine.sequence()
    engine.step([(sequence, TOKENS[:20])], "none")
    inside = False

    def read() -> None:
        nonlocal inside
        inside = False
        sequence.truncate(20)
        inside = True
        engine.step([(sequence, TOKENS[20:])], "none")

    for _ in range(TRIES):
        with pytest.raises(KeyboardInterrupt):
            repeat(read, 0.1)
        if inside and sequence.n_tokens == 20:
            break
    else:
        pytest.fail("no pass ended in its middle")
    check_goes_on(model, engine, sequence)


@needs_alarms
def test_ctrl_c_in_a_session(mixture: Path) -> None:
    """The scheduler's thread makes the pass, and the main thread waits."""
    layout = _core.expert_layout(_core.GgufFile(mixture))
    options = {"n_ctx": 8192, "threads": 2, "chunk": CHUNK}
    with LLM(mixture, expert_memory=layout.bytes(layout.min_slots), **options) as llm:  # type: ignore[arg-type]
        session = llm.session()
        inside = False

        def read() -> None:
            nonlocal inside
            inside = False
            session.reset()
            inside = True
            session.generate(TOKENS, max_tokens=1)

        for _ in range(TRIES):
            with pytest.raises(KeyboardInterrupt):
                repeat(read, 0.1)
            if inside and session.n_tokens == 0:
                break
        else:
            pytest.fail("no pass ended in its middle")
        said = session.generate(TOKENS[:40], max_tokens=4, temperature=0)
        assert said.token_ids == llm.generate(TOKENS[:40], max_tokens=4, temperature=0).token_ids
