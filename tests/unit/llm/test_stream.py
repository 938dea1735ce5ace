"""Streams: the same text in pieces, ended early in every way, by the caller or by Ctrl-C."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from pestle import LLM

MakeLlm = Callable[..., LLM]
PROMPT = "\x02"


@pytest.mark.parametrize("options", [{}, {"stop": "日x"}, {"stop": "🙂"}, {"max_tokens": 9}])
def test_chunks_joined_are_the_text(make_llm: MakeLlm, options: dict[str, Any]) -> None:
    llm: Any = make_llm("日本語🙂 und 日x")
    whole = llm.generate(PROMPT, temperature=0, **options)
    chunks = list(llm.generate(PROMPT, temperature=0, stream=True, **options))
    assert "".join(chunk.text for chunk in chunks) == whole.text
    assert tuple(t for chunk in chunks for t in chunk.token_ids) == whole.token_ids
    assert [chunk.finish_reason is None for chunk in chunks] == [True] * (len(chunks) - 1) + [False]
    last = chunks[-1]
    assert (last.finish_reason, last.stop_reason) == (whole.finish_reason, whole.stop_reason)
    assert last.usage.completion_tokens == len(whole.token_ids)
    assert last.timings.decode_tokens == whole.timings.decode_tokens


def test_characters_are_never_split(make_llm: MakeLlm) -> None:
    texts = [c.text for c in make_llm("a日🙂").generate(PROMPT, temperature=0, stream=True)]
    assert texts == ["a", "", "", "日", "", "", "", "🙂", ""]


def test_what_may_become_a_stop_string_is_held_back(make_llm: MakeLlm) -> None:
    stream = make_llm("abcabd").generate(PROMPT, temperature=0, stop="abd", stream=True)
    texts = [chunk.text for chunk in stream]
    assert texts == ["", "", "abc", "", "", "", ""]
    assert stream.result().text == "abc"


def test_logprobs_come_with_their_tokens(make_llm: MakeLlm) -> None:
    chunks = list(make_llm("ab").generate(PROMPT, temperature=0, logprobs=1, stream=True))
    assert [len(chunk.logprobs or ()) for chunk in chunks] == [1, 1, 0]


def test_nothing_is_done_before_the_first_chunk(make_llm: MakeLlm) -> None:
    llm: Any = make_llm("abc")
    stream = llm.generate(PROMPT, stream=True)
    assert llm.engine.passes == []
    next(stream)
    assert llm.engine.passes[0] == 1


def test_result_runs_the_rest(make_llm: MakeLlm) -> None:
    stream = make_llm("abc").generate(PROMPT, temperature=0, stream=True)
    assert next(stream).text == "a"
    assert stream.result().text == "abc"
    assert stream.result().finish_reason == "stop"
    assert list(stream) == []


def test_closed_early(llm: Any) -> None:
    with llm.generate("x", stream=True) as stream:
        text = next(stream).text + next(stream).text
    assert list(stream) == []
    done = stream.result()
    assert (done.text, done.finish_reason) == (text, "cancelled")
    assert 2 <= len(llm.engine.passes) <= 4  # as many as were taken, and two ahead at most
    stream.close()


def test_little_is_done_ahead(llm: Any) -> None:
    stream = llm.generate("x", stream=True)
    for taken in range(1, 5):
        next(stream)
        time.sleep(0.02)
        assert len(llm.engine.passes) <= taken + 2


@pytest.mark.parametrize(
    ("options", "why"), [({"max_tokens": 3}, "length"), ({"stop": "c"}, "stop"), ({}, "cancelled")]
)
def test_closed_at_the_last_token(make_llm: MakeLlm, options: dict[str, Any], why: str) -> None:
    llm: Any = make_llm("abcdef")
    with llm.generate(PROMPT, temperature=0, stream=True, **options) as stream:
        for _ in range(3):
            next(stream)
    assert stream.result().finish_reason == why


def test_dropping_a_stream_frees_the_session(llm: LLM) -> None:
    session = llm.session()
    for _ in session.generate("x", stream=True):
        break
    assert session.generate("x", max_tokens=1).usage.completion_tokens == 1


def test_cancel_ends_with_a_last_chunk(llm: LLM) -> None:
    stream = llm.generate("x", stream=True)
    next(stream)
    stream.cancel()
    (last,) = stream
    assert last.finish_reason == "cancelled"
    assert stream.result().usage.completion_tokens == 1


def test_cancel_from_another_thread_between_pieces(make_llm: MakeLlm) -> None:
    llm: Any = make_llm(chunk=4)
    stream = llm.generate("x" * 20, stream=True)

    def cancel_at_the_second_pass() -> None:
        if len(llm.engine.passes) == 2:
            thread = threading.Thread(target=stream.cancel)
            thread.start()
            thread.join()

    llm.engine.after = cancel_at_the_second_pass
    done = stream.result()
    assert (done.finish_reason, done.token_ids) == ("cancelled", ())
    assert llm.engine.passes == [4, 4]
    assert done.timings.first_token_s is None
    assert done.timings.prefill_tokens == 8
    llm.engine.after = lambda: None
    assert llm.generate("x" * 20, max_tokens=1).usage.cached_tokens == 8


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("at", [0, 1, 2, 5, 9])
def test_ctrl_c_leaves_the_session_usable(make_llm: MakeLlm, when: str, at: int) -> None:
    llm: Any = make_llm(chunk=4)
    expected = make_llm(chunk=4).generate("a prompt here", seed=3, max_tokens=12)
    session = llm.session()

    def interrupt() -> None:
        if len(llm.engine.passes) == at:
            raise KeyboardInterrupt

    setattr(llm.engine, when, interrupt)
    stream = session.generate("a prompt here", seed=3, max_tokens=12, stream=True)
    if when == "before" or at > 0:
        with pytest.raises(KeyboardInterrupt):
            stream.result()
    so_far = stream.result()
    setattr(llm.engine, when, lambda: None)
    assert so_far.text == expected.text[: len(so_far.text)]
    held = session.tokens
    assert held == [*b"a prompt here", *expected.token_ids][: len(held)]
    done = session.generate("a prompt here", seed=3, max_tokens=12)
    assert done.text == expected.text
    assert done.usage.cached_tokens == min(len(held), 12)


def test_a_call_inside_a_stream(make_llm: MakeLlm) -> None:
    llm: Any = make_llm()
    alone = llm.generate("outer", seed=1, max_tokens=6)
    text = ""
    for chunk in llm.generate("outer", seed=1, max_tokens=6, stream=True):
        text += chunk.text
        llm.generate("inner", seed=2, max_tokens=2)
    assert text == alone.text


def test_a_short_call_does_not_wait_for_a_long_prompt(make_llm: MakeLlm) -> None:
    llm: Any = make_llm(n_ctx=1000, chunk=1)
    begun = threading.Event()

    def work() -> None:
        begun.set()
        time.sleep(0.001)

    llm.engine.before = work
    stream = llm.generate("x" * 900, max_tokens=1, stream=True)
    thread = threading.Thread(target=stream.result)
    thread.start()
    begun.wait()
    llm.generate("short", max_tokens=5)
    stream.cancel()
    thread.join()
    assert stream.result().timings.prefill_tokens < 100


def test_threads_do_not_disturb_each_other(make_llm: MakeLlm) -> None:
    llm = make_llm()
    prompts = [f"prompt {i}" for i in range(6)]
    expected = [make_llm().generate(p, seed=1, max_tokens=20).text for p in prompts]
    texts: dict[str, str] = {}

    def work(prompt: str) -> None:
        for _ in range(3):
            texts[prompt] = llm.generate(prompt, seed=1, max_tokens=20).text

    threads = [threading.Thread(target=work, args=(prompt,)) for prompt in prompts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [texts[prompt] for prompt in prompts] == expected


@pytest.mark.parametrize("times", [1, 3])
def test_closed_by_another_thread(make_llm: MakeLlm, times: int) -> None:
    """`close` ends a prompt that is being read, after the pass in progress."""
    llm: Any = make_llm(chunk=4)
    session = llm.session()
    entered, go_on = threading.Event(), threading.Event()

    def block_in_the_second_pass() -> None:
        if len(llm.engine.passes) == 1:
            entered.set()
            assert go_on.wait(10)

    llm.engine.before = block_in_the_second_pass
    stream = session.generate("a prompt of twenty..", stream=True)
    chunks: list[Any] = []
    reader = threading.Thread(target=lambda: chunks.extend(stream))
    reader.start()
    assert entered.wait(10)
    closers = [threading.Thread(target=stream.close) for _ in range(times)]
    for closer in closers:
        closer.start()
    assert stream._run.cancel.wait(10)
    assert closers[0].is_alive()
    go_on.set()
    for thread in (reader, *closers):
        thread.join(10)
        assert not thread.is_alive()
    assert [chunk.finish_reason for chunk in chunks] == ["cancelled"]
    assert stream.result().finish_reason == "cancelled"
    assert llm.engine.passes == [4, 4]
    assert session.tokens == list(b"a prompt")


def test_threads_share_a_stream(make_llm: MakeLlm) -> None:
    stream = make_llm(n_ctx=1000).generate("x", max_tokens=200, stream=True)
    chunks: list[Any] = []
    threads = [threading.Thread(target=lambda: chunks.extend(stream)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sum(len(chunk.token_ids) for chunk in chunks) == 200
