"""Speculation changes nothing but the speed: not a token, a piece, a reason, an error or a prefix.

Here drafts are what a test makes of them, right for a while and then wrong; what the real drafter
and governor would do is tested with them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pestle import LLM, Error, MemoryLimitError
from pestle._core import Drafter
from pestle.engine import speculation

from .conftest import FakeSampler

MakeLlm = Callable[..., LLM]
PROMPT = "\x02"
HELLO = "once upon a time"

each_example_anew = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)


@dataclass
class Drafts:
    """In a Speculation's place: drafts so many right tokens, then so many wrong ones, in turn."""

    future: list[int]  # the whole text, as plain decoding writes it
    plan: list[tuple[int, int]]
    drafted: int = 0
    accepted: int = 0
    given_up: bool = False

    def __post_init__(self) -> None:
        self._plan = itertools.cycle(self.plan)

    def give_up(self) -> None:
        self.given_up = True

    def draft(self, text: list[int], most: int, constraint: Any = None) -> list[int]:
        assert text == self.future[: len(text)]
        assert most >= 0
        if self.given_up:
            return []
        right, wrong = next(self._plan)
        following = self.future[len(text) : len(text) + right]
        other = [*self.future, 0][len(text) + len(following)] + 1
        return [*following, *[other % 256] * wrong][:most]

    def learn(self, verified: int, chosen: list[int], seconds: float) -> None:
        assert 1 <= len(chosen) <= verified + 1
        assert seconds >= 0
        self.drafted += verified
        self.accepted += len(chosen) - 1


class Bold:
    """In a Governor's place: verifies this share of each draft, whatever it costs."""

    share = 1.0

    def __init__(self, costs: Any) -> None:
        pass

    def choose(self, confidences: list[float]) -> int:
        return round(self.share * len(confidences))

    def record_fate(self, confidence: float, right: bool) -> None:
        pass

    def record_step(self, rows: int, seconds: float, gained: int) -> None:
        pass


def speculate(
    llm: Any, prompt: str, token_ids: tuple[int, ...], plan: list[tuple[int, int]]
) -> Any:
    """Have `llm` draft by `plan` the answer that is known to follow `prompt`."""
    drafts = Drafts([*prompt.encode(), *token_ids], plan)
    llm.engine.runtime.drafts = drafts
    return drafts


def seen(llm: LLM, prompt: str, **options: Any) -> tuple[Any, ...]:
    """All that a caller sees of a generation in a session, but for times."""
    session = llm.session()
    stream = session.generate(prompt, stream=True, **options)
    chunks: list[Any] = []
    error = None
    try:
        chunks.extend(
            (c.text, c.token_ids, c.logprobs, c.finish_reason, c.stop_reason, c.usage)
            for c in stream
        )
    except Error as raised:
        error = str(raised)
    done = stream.result()
    return (
        chunks, error, done.text, done.token_ids, done.logprobs, done.finish_reason,
        done.stop_reason, done.usage, done.seed, done.timings.decode_tokens, session.tokens,
    )  # fmt: skip


plans = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 3)).filter(any) | st.just((0, 0)),
    min_size=1,
    max_size=6,
)


@each_example_anew
@given(
    plan=plans,
    prompt=st.sampled_from(["x", HELLO]),
    temperature=st.sampled_from([0.0, 0.8, 2.0]),
    max_tokens=st.integers(1, 40) | st.none(),
    stop_at=st.integers(0, 30) | st.none(),
    logprobs=st.sampled_from([None, 0, 2]),
    bias=st.sampled_from([None, {ord("e"): 5.0, ord("a"): float("-inf")}]),
    seed=st.integers(0, 5),
    n_ctx=st.sampled_from([18, 32, 256]),
    chunk=st.sampled_from([1, 2, 5, 512]),
)
def test_the_same_to_the_last_detail(
    make_llm: MakeLlm,
    plan: list[tuple[int, int]],
    prompt: str,
    temperature: float,
    max_tokens: int | None,
    stop_at: int | None,
    logprobs: int | None,
    bias: dict[int, float] | None,
    seed: int,
    n_ctx: int,
    chunk: int,
) -> None:
    if max_tokens is None:
        n_ctx = min(n_ctx, 32)
    llm: Any = make_llm(n_ctx=n_ctx, chunk=chunk)
    options: dict[str, Any] = {
        "temperature": temperature, "max_tokens": max_tokens, "logprobs": logprobs, "seed": seed,
        "logit_bias": bias,
    }  # fmt: skip
    free = llm.generate(prompt, **options)
    if stop_at is not None and len(free.text) >= stop_at + 2:
        options["stop"] = free.text[stop_at : stop_at + 2]
    plain = seen(llm, prompt, **options)
    passes = len(llm.engine.passes)
    drafts = speculate(llm, prompt, free.token_ids, plan)
    assert seen(llm, prompt, **options) == plain
    # A draft that was right saved a pass.
    assert len(llm.engine.passes) - passes <= passes - drafts.accepted + len(plain[3])
    assert seen(llm, prompt, speculation=False, **options) == plain


@pytest.mark.parametrize("right", [1, 3, 20])
def test_a_right_draft_saves_passes(make_llm: MakeLlm, right: int) -> None:
    llm: Any = make_llm("The answer is 42.")
    plain = llm.generate(PROMPT, temperature=0)
    n_plain = len(llm.engine.passes)
    speculate(llm, PROMPT, plain.token_ids, [(right, 0)])
    done = llm.generate(PROMPT, temperature=0)
    n_passes = len(llm.engine.passes) - n_plain
    assert done.text == plain.text
    assert n_passes == 1 + -(-17 // (right + 1))  # 16 tokens and the end
    timings = done.timings
    assert (timings.decode_tokens, timings.decode_passes) == (17, n_passes - 1)
    assert timings.accepted_tokens == timings.drafted_tokens == 18 - n_passes


def test_wrong_drafts_are_counted(make_llm: MakeLlm) -> None:
    llm: Any = make_llm("abcdefgh")
    plain = llm.generate(PROMPT, temperature=0)
    speculate(llm, PROMPT, plain.token_ids, [(1, 2)])
    timings = llm.generate(PROMPT, temperature=0).timings
    assert (timings.decode_tokens, timings.decode_passes) == (8, 4)
    assert (timings.drafted_tokens, timings.accepted_tokens) == (12, 4)


def test_characters_come_as_they_would(make_llm: MakeLlm) -> None:
    llm: Any = make_llm("a日🙂")
    plain = llm.generate(PROMPT, temperature=0)
    speculate(llm, PROMPT, plain.token_ids, [(20, 0)])
    texts = [c.text for c in llm.generate(PROMPT, temperature=0, stream=True)]
    assert texts == ["a", "", "", "日", "", "", "", "🙂", ""]


@pytest.mark.parametrize("how", ["cancel", "close", "drop"])
@pytest.mark.parametrize("after", range(9))
@pytest.mark.parametrize("plan", [[(20, 0)], [(2, 1)], [(0, 3)]])
def test_ended_early(make_llm: MakeLlm, plan: list[tuple[int, int]], after: int, how: str) -> None:
    """After so many chunks, nothing that was read ahead is said or left behind."""

    def end(llm: LLM) -> tuple[Any, ...]:
        session = llm.session()
        stream = session.generate(HELLO, seed=3, max_tokens=8, stream=True)
        chunks = [(c.text, c.token_ids, c.finish_reason) for _, c in zip(range(after), stream)]  # noqa: B905
        run = stream._run
        if how == "cancel":
            stream.cancel()
            chunks += [(c.text, c.token_ids, c.finish_reason) for c in stream]
        elif how == "close":
            stream.close()
        else:
            del stream
        done = run.result()
        again = session.generate(HELLO, seed=3, max_tokens=2)
        return chunks, done.text, done.finish_reason, again.usage.cached_tokens, session.tokens

    plain_llm, llm = make_llm(), make_llm()
    plain = make_llm().generate(HELLO, seed=3, max_tokens=12)
    speculate(llm, HELLO, plain.token_ids, plan)
    assert end(llm) == end(plain_llm)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("at", range(6))
@pytest.mark.parametrize("plan", [[(20, 0)], [(2, 1)], [(0, 3)]])
def test_ctrl_c_leaves_the_session_usable(
    make_llm: MakeLlm, plan: list[tuple[int, int]], at: int, when: str
) -> None:
    llm: Any = make_llm()
    expected = make_llm().generate(HELLO, seed=3, max_tokens=12)
    speculate(llm, HELLO, expected.token_ids, plan)
    session = llm.session()

    def interrupt() -> None:
        if len(llm.engine.passes) == at:
            raise KeyboardInterrupt

    setattr(llm.engine, when, interrupt)
    stream = session.generate(HELLO, seed=3, max_tokens=12, stream=True)
    try:
        stream.result()
    except KeyboardInterrupt:
        pass
    else:
        assert len(llm.engine.passes) <= at or (when, at) == ("after", 0)
    setattr(llm.engine, when, lambda: None)
    so_far = stream.result()
    assert so_far.token_ids == expected.token_ids[: len(so_far.token_ids)]
    held, text = session.tokens, [*HELLO.encode(), *so_far.token_ids]
    assert held == text[: len(held)]
    done = session.generate(HELLO, seed=3, max_tokens=12)
    assert done.token_ids == expected.token_ids


def test_a_fork_of_what_was_read_ahead(make_llm: MakeLlm) -> None:
    llm: Any = make_llm()
    expected = make_llm().generate(HELLO, seed=3, max_tokens=12)
    speculate(llm, HELLO, expected.token_ids, [(20, 0)])
    session = llm.session()
    with session.generate(HELLO, seed=3, max_tokens=12, stream=True) as stream:
        for _ in range(4):
            next(stream)
    fork = session.fork()
    assert fork.tokens == session.tokens == [*HELLO.encode(), *expected.token_ids[:3]]
    assert session.n_tokens == len(fork.tokens)
    assert fork.generate(HELLO, seed=3, max_tokens=12).token_ids == expected.token_ids


def test_a_closed_model_says_nothing_more(make_llm: MakeLlm) -> None:
    """Also not what it had read ahead."""
    llm: Any = make_llm("abcdefgh")
    plain = llm.generate(PROMPT, temperature=0)
    speculate(llm, PROMPT, plain.token_ids, [(20, 0)])
    stream = llm.generate(PROMPT, temperature=0, stream=True)
    assert [next(stream).text for _ in range(3)] == ["a", "b", "c"]
    llm.close()
    with pytest.raises(Error, match="the model is closed"):
        next(stream)


@pytest.mark.parametrize("plan", [[(20, 0)], [(2, 1)], [(4, 0)]])
@pytest.mark.parametrize("at", range(1, 7))
def test_an_error_comes_where_it_would(
    make_llm: MakeLlm, plan: list[tuple[int, int]], at: int
) -> None:
    """Sampling fails after so many tokens: those are said before, also if one pass read all."""

    def make() -> Any:
        class Failing(FakeSampler):
            def sample(self, logits: Any, history: list[int], *more: Any) -> Any:
                if len(history) == len(HELLO) + at:
                    raise Error("the model produced a logit that is not finite")
                return super().sample(logits, history, *more)

        return make_llm(sampler=Failing)

    expected = make_llm().generate(HELLO, seed=3, max_tokens=12)
    plain = seen(make(), HELLO, seed=3, max_tokens=12)
    assert plain[1] is not None
    assert len(plain[3]) == at
    llm = make()
    speculate(llm, HELLO, expected.token_ids, plan)
    assert seen(llm, HELLO, seed=3, max_tokens=12) == plain


def test_no_memory_for_a_draft_is_no_error(make_llm: MakeLlm) -> None:
    llm: Any = make_llm()
    expected = make_llm().generate(HELLO, seed=3, max_tokens=12)
    drafts = speculate(llm, HELLO, expected.token_ids, [(3, 0)])
    step, failed = llm.engine.step, []

    def scarce(batch: Any) -> int:
        ((_, tokens, logits),) = batch
        if logits == "all":
            failed.append(len(tokens))
            raise MemoryLimitError("no memory for a page")
        return int(step(batch))

    llm.engine.step = scarce
    done = llm.generate(HELLO, seed=3, max_tokens=12)
    assert done.token_ids == expected.token_ids
    assert (failed, drafts.given_up, done.timings.drafted_tokens) == ([4], True, 0)


def test_no_memory_without_a_draft_is_one(make_llm: MakeLlm) -> None:
    llm: Any = make_llm()
    speculate(llm, HELLO, (), [(0, 0)])

    def none_left() -> None:
        if len(llm.engine.passes) == 3:
            raise MemoryLimitError("no memory for a page")

    llm.engine.before = none_left
    stream = llm.generate(HELLO, seed=3, max_tokens=12, stream=True)
    expected = make_llm().generate(HELLO, seed=3, max_tokens=12)
    speculate(llm, HELLO, expected.token_ids, [(0, 0)])
    with pytest.raises(MemoryLimitError):
        stream.result()
    assert stream.result().token_ids == expected.token_ids[:3]


@pytest.mark.parametrize("choose", ["all", "half", "governor"])
@pytest.mark.parametrize(
    "options", [{"temperature": 0, "seed": 0}, {"seed": 1}, {"seed": 2, "stop": "zz"}]
)
def test_the_real_drafter(
    make_llm: MakeLlm, monkeypatch: pytest.MonkeyPatch, choose: str, options: dict[str, Any]
) -> None:
    """On a model that mostly goes on as the text before: copies, with mistakes now and then."""

    babble = make_llm().engine.model  # type: ignore[attr-defined]

    def copying(tokens: list[int]) -> Any:
        logits = babble(tokens)
        if len(tokens) >= 20:
            logits[tokens[-20]] += 9
        return logits

    if choose != "governor":
        monkeypatch.setattr(Bold, "share", {"all": 1.0, "half": 0.5}[choose])
        monkeypatch.setattr(speculation, "Governor", Bold)
    prompt = "the quick brown fox jumps over"
    plain = seen(make_llm(model=copying), prompt, max_tokens=150, **options)
    llm = make_llm(model=copying, drafter=Drafter)
    assert seen(llm, prompt, max_tokens=150, **options) == plain
    if choose != "governor":
        timings = llm.generate(prompt, max_tokens=150, **options).timings
        assert timings.accepted_tokens > 20
        assert timings.decode_passes == timings.decode_tokens - timings.accepted_tokens


def test_the_end_is_not_drafted(make_llm: MakeLlm, monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows an earlier message's end does not follow this one's."""
    monkeypatch.setattr(speculation, "Governor", Bold)
    llm = make_llm("abcabc", drafter=Drafter)
    messages = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": "abcabc"},
        {"role": "user", "content": "x"},
    ]
    done = llm.chat(messages, temperature=0)
    assert done.text == "abcabc"
    assert done.timings.accepted_tokens == done.timings.drafted_tokens == 5


def test_it_can_be_switched_off(make_llm: MakeLlm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speculation, "Governor", Bold)
    llm = make_llm("ababababab", drafter=Drafter)
    assert llm.generate(PROMPT, temperature=0, speculation=False).timings.drafted_tokens == 0
    assert llm.generate(PROMPT, temperature=0, speculation=None).timings.drafted_tokens > 0


@pytest.mark.parametrize("value", [1, 0, "off", np.bool_(True)])
def test_it_is_switched_by_a_bool(llm: LLM, value: Any) -> None:
    with pytest.raises(TypeError, match="speculation"):
        llm.generate("x", speculation=value)
