"""Whoever else is answered at the same time: each answer is what it is alone, to the bit."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pestle.engine import speculation

from tests.oracle.test_speculation import Bold

from .babblers import Babbler
from .test_schemas import SCHEMA

Asked = tuple[list[dict[str, str]], dict[str, Any]]


def requests(n: int, seed: int) -> list[Asked]:
    """Chats of all kinds: long and short prompts, common beginnings, every option that decides."""
    draw = random.Random(seed)
    common = "a common beginning of some length, " * 6
    asked: list[Asked] = []
    for i in range(n):
        text = draw.choice(["", common, common * 3]) + draw.choice("abcd") * draw.randrange(1, 40)
        options: dict[str, Any] = {
            "seed": i,
            "temperature": draw.choice([0, 0.8, 1.5]),
            "max_tokens": draw.randrange(1, 60),
            "logprobs": draw.choice([None, 0, 2]),
            "repeat_penalty": draw.choice([1.0, 1.3]),
            "stop": draw.choice([None, ["e"], ["ab", "q"]]),
            "speculation": draw.random() < 0.7,
        }
        if draw.random() < 0.4:
            options |= {"json_schema": SCHEMA, "reasoning_budget": draw.choice([None, 0, 9])}
        asked.append(([{"role": "user", "content": text}], options))
    return asked


def seen(done: Any) -> tuple[Any, ...]:
    """All that a caller sees but times and what was cached."""
    usage = (done.usage.prompt_tokens, done.usage.completion_tokens, done.usage.reasoning_tokens)
    said = (done.text, done.reasoning, done.token_ids, done.logprobs, done.warnings)
    return (*said, done.finish_reason, done.stop_reason, usage)


def in_threads(work: Callable[[int], None], n: int) -> None:
    """Do it n times at once; raises what one of them raises."""
    with ThreadPoolExecutor(n) as threads:
        for future in [threads.submit(work, i) for i in range(n)]:
            future.result(120)


@pytest.fixture(params=["opened", "harmony"])
def family(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(speculation, "Governor", Bold)  # drafts are verified, worth it or not
    return str(request.param)


def test_in_threads_that_join_and_leave(babbles: Babbler, family: str) -> None:
    """A third of them close their streams early, at random moments."""
    llm = babbles(family)
    asked = requests(24, seed=1)
    expected = [seen(llm.chat(messages, **options)) for messages, options in asked]
    wrong: list[Any] = []

    def work(i: int) -> None:
        messages, options = asked[i]
        draw = random.Random(100 + i)
        stream = llm.chat(messages, stream=True, **options)
        if i % 3:
            if seen(stream.result()) != expected[i]:
                wrong.append(i)
            return
        n = draw.randrange(0, 20)
        with stream:
            tokens = [
                t for _, chunk in zip(range(n), stream, strict=False) for t in chunk.token_ids
            ]
        part = stream.result()
        if part.token_ids[: len(tokens)] != tuple(tokens):
            wrong.append((i, "chunks"))
        if part.token_ids != expected[i][2][: len(part.token_ids)]:
            wrong.append((i, "part"))

    for _ in range(2):
        in_threads(work, len(asked))
    assert wrong == []


def test_in_asyncio_with_cancellation(babbles: Babbler, family: str) -> None:
    llm = babbles(family)
    asked = requests(24, seed=2)
    expected = [seen(llm.chat(messages, **options)) for messages, options in asked]

    async def main() -> list[Any]:
        tasks = [asyncio.create_task(llm.achat(messages, **options)) for messages, options in asked]
        draw = random.Random(5)
        for task in tasks[::4]:
            await asyncio.sleep(draw.random() * 0.02)
            task.cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    answers = asyncio.run(main())
    finished = [i for i, done in enumerate(answers) if not isinstance(done, BaseException)]
    ended = [i for i in range(len(asked)) if i not in finished]
    assert all(i % 4 == 0 and isinstance(answers[i], asyncio.CancelledError) for i in ended)
    assert [seen(answers[i]) for i in finished] == [expected[i] for i in finished]


def test_as_a_list(babbles: Babbler, family: str) -> None:
    llm = babbles(family)
    prompts = [f"{'a beginning ' * (i % 3)}{i}" for i in range(20)]
    expected = [llm.generate(p, seed=3, max_tokens=30, logprobs=1) for p in prompts]
    done = llm.generate_all(prompts, seed=3, max_tokens=30, logprobs=1)
    assert [(d.text, d.token_ids, d.logprobs) for d in done] == [
        (d.text, d.token_ids, d.logprobs) for d in expected
    ]
    chats = [[{"role": "user", "content": p}] for p in prompts]
    options: dict[str, Any] = {"json_schema": SCHEMA, "reasoning_budget": 5, "seed": 1}
    held = [seen(llm.chat(messages, **options)) for messages in chats[:6]]
    assert [seen(done) for done in llm.chat_all(chats[:6], **options)] == held


def test_sessions_keep_apart(babbles: Babbler, family: str) -> None:
    """Forks of one session that go on at once hold what each has read."""
    llm = babbles(family)
    session = llm.session()
    start = "what all have read before"
    session.generate(start, max_tokens=1)
    forks = [session.fork() for _ in range(6)]
    expected = [llm.generate(f"{start} {i}", seed=i, max_tokens=25).token_ids for i in range(6)]
    found: dict[int, Any] = {}

    def work(i: int) -> None:
        done = forks[i].generate(f"{start} {i}", seed=i, max_tokens=25)
        found[i] = (done.token_ids, forks[i].tokens)

    in_threads(work, 6)
    for i, tokens in enumerate(expected):
        said, holds = found[i]
        text = [*llm.tokenize(f"{start} {i}"), *tokens]
        assert said == tokens
        assert holds == text[: len(holds)]
        assert len(holds) >= len(text) - 1
