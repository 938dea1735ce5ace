"""Where memory runs short, work waits or is set aside; every answer is what it is alone."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pestle import LLM, MemoryLimitError, _core
from pestle.engine import speculation

from tests.oracle.test_speculation import Bold

from .babblers import babbler
from .test_company import in_threads, requests, seen

PAGE = _core.KV_PAGE_TOKENS
# Case of `tests.oracle`, family: with and without windows, reasoning, calls.
MODELS = [("qwen3-tied", "opened"), ("gemma3-linear", "opened"), ("gptoss-yarn", "harmony")]

Scarce = Callable[..., LLM]


def pages(llm: LLM, n_tokens: int) -> int:
    """Bytes that a text of so many tokens takes."""
    return llm.engine.kv_size(n_tokens)


@pytest.fixture
def scarce(tmp_path: Path) -> Scarce:
    """scarce(weights, family, tokens): an LLM with memory for a text of so many; 0: no limit."""

    def make(weights: str, family: str, tokens: int = 0, **options: Any) -> LLM:
        path = tmp_path / f"{weights}.gguf"
        free = babbler(path, family, n_ctx=2048, weights=weights)
        if not tokens:
            return free
        return babbler(
            path,
            family,
            n_ctx=2048,
            weights=weights,
            kv_memory=free.engine.kv_size(tokens),
            **options,
        )

    return make


def never_ending(llm: LLM) -> dict[int, float]:
    """A bias with which an answer goes on to its last token."""
    return dict.fromkeys(llm.tokenizer.eog_ids, float("-inf"))


def settled(llm: LLM) -> None:
    """Wait until nothing runs, and all that was held was given back."""
    scheduler = llm._runtime.scheduler
    deadline = time.monotonic() + 10
    while not scheduler.idle and time.monotonic() < deadline:
        time.sleep(0.01)
    assert scheduler.idle
    scheduler.call(lambda: None)  # after what was put off
    assert llm.engine.kv_used == llm.engine.kept_bytes


@pytest.mark.parametrize(("weights", "family"), MODELS)
@pytest.mark.parametrize("prefix_cache", [0, 1 << 20])
def test_answers_are_the_same_to_the_bit(
    scarce: Scarce,
    monkeypatch: pytest.MonkeyPatch,
    weights: str,
    family: str,
    prefix_cache: int,
) -> None:
    """With masks, drafts, stop strings, penalties, log probabilities; some leave early."""
    monkeypatch.setattr(speculation, "Governor", Bold)
    free = scarce(weights, family)
    asked = requests(24, seed=7)
    for n, (_, options) in enumerate(asked):
        options["max_tokens"] *= 1 + n % 5  # several pages
        if "json_schema" not in options and n % 2:
            options |= {"logit_bias": never_ending(free), "stop": None}
    expected = [seen(free.chat(messages, **options)) for messages, options in asked]
    longest = max(len(free.chat_tokens(messages)) for messages, _ in asked) + 300
    llm = scarce(weights, family, longest + PAGE, prefix_cache=prefix_cache)
    wrong: list[Any] = []

    def work(i: int) -> None:
        messages, options = asked[i]
        draw = random.Random(i)
        if i % 4 == 3:
            with llm.chat(messages, stream=True, **options) as stream:
                for _ in zip(range(draw.randrange(20)), stream, strict=False):
                    pass
            said = stream.result().token_ids
            if said != expected[i][2][: len(said)]:
                wrong.append((i, "part"))
        elif seen(llm.chat(messages, **options)) != expected[i]:
            wrong.append(i)
        assert llm.engine.kv_used <= llm.engine.kv_limit

    for _ in range(2):
        in_threads(work, len(asked))
    assert wrong == []
    settled(llm)
    assert llm.activity().preemptions > 0


@pytest.mark.parametrize(("weights", "family"), MODELS)
def test_scores_and_logits_too(scarce: Scarce, weights: str, family: str) -> None:
    free = scarce(weights, family)
    texts = ["abc " * 40 + str(i) for i in range(6)]
    expected = [(free.score(text), free.logits(text).tobytes()) for text in texts]
    llm = scarce(weights, family, len(free.tokenize(texts[0])) + 2 * PAGE)
    found: dict[int, Any] = {}

    def work(i: int) -> None:
        text = texts[i % 6]
        found[i] = llm.score(text) if i < 6 else llm.logits(text).tobytes()

    in_threads(work, 12)
    assert [(found[i], found[i + 6]) for i in range(6)] == expected


def test_what_can_never_fit_is_refused_at_once(scarce: Scarce) -> None:
    llm = scarce("qwen3-tied", "plain", 200)
    limit = llm.engine.kv_limit
    needed = pages(llm, 300)
    words = f"kv_memory is {limit} bytes, 300 tokens take {needed} bytes"
    with pytest.raises(MemoryLimitError, match=words):
        llm.generate([5] * 300, max_tokens=1)
    assert len(llm.generate([5] * 190, max_tokens=3, seed=1).token_ids) == 3


def test_an_answer_that_is_alone_and_does_not_fit_fails(scarce: Scarce) -> None:
    llm = scarce("qwen3-tied", "plain", 2 * PAGE)
    stream = llm.generate([5] * 100, stream=True, seed=1, logit_bias=never_ending(llm))
    said: list[int] = []
    with pytest.raises(MemoryLimitError):
        said.extend(chunk.token_ids[0] for chunk in stream)
    assert 100 + len(said) - 1 == 2 * PAGE


def test_nobody_who_does_not_take_keeps_others_from_beginning(scarce: Scarce) -> None:
    """Their memory goes to others; who takes again later gets the same answer."""
    free = scarce("qwen3-tied", "plain")
    options: dict[str, Any] = {"max_tokens": 30, "logit_bias": never_ending(free), "seed": 5}
    prompts = [[i + 3] * 100 for i in range(4)]
    expected = [free.generate(prompt, **options).token_ids for prompt in prompts]
    llm = scarce("qwen3-tied", "plain", 3 * PAGE)
    llm.parallel = 3
    slow = [llm.generate(prompt, stream=True, **options) for prompt in prompts[:3]]
    for stream in slow:
        threading.Thread(target=next, args=(stream,)).start()
    done = llm.generate(prompts[3], **options)
    assert done.token_ids == expected[3]
    assert [stream.result().token_ids for stream in slow] == expected[:3]


def test_no_more_run_than_may(scarce: Scarce) -> None:
    llm = scarce("qwen3-tied", "plain")
    llm.parallel = 2
    most = 0
    step = llm.engine.step

    class Watching:
        def __getattr__(self, name: str) -> Any:
            return getattr(llm.engine, name)

        def step(self, batch: Any) -> int:
            nonlocal most
            most = max(most, len(batch))
            return step(batch)

    llm._runtime.scheduler._engine = Watching()
    done = llm.generate_all([[i + 3] * 20 for i in range(8)], max_tokens=10, seed=1)
    assert len(done) == 8
    assert most == 2
