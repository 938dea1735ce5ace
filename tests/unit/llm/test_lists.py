"""Lists of prompts and chats: results, progress, what ends them early."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from pestle import LLM, ArgumentError, ArgumentTypeError, ContextLengthError

MakeLlm = Callable[..., LLM]
PROMPTS = [f"p{n}" for n in range(40)]  # more than are worked on at once
CHATS = [[{"role": "user", "content": text}] for text in PROMPTS]
OPTIONS: dict[str, Any] = {"seed": 1, "max_tokens": 5}


def texts(results: Any) -> list[str]:
    return [result.text for result in results]


def test_they_are_what_each_alone_gives(make_llm: MakeLlm) -> None:
    expected = [make_llm().generate(prompt, **OPTIONS).text for prompt in PROMPTS]
    assert texts(make_llm().generate_all(PROMPTS, **OPTIONS)) == expected
    assert texts(asyncio.run(make_llm().agenerate_all(PROMPTS, **OPTIONS))) == expected
    expected = [make_llm().chat(chat, **OPTIONS).text for chat in CHATS]
    assert texts(make_llm().chat_all(CHATS, **OPTIONS)) == expected
    assert texts(asyncio.run(make_llm().achat_all(CHATS, **OPTIONS))) == expected


def test_passes_are_shared(make_llm: MakeLlm) -> None:
    for call in (LLM.generate_all, lambda llm, *a, **o: asyncio.run(llm.agenerate_all(*a, **o))):
        llm: Any = make_llm()
        call(llm, PROMPTS, **OPTIONS)
        assert max(llm.engine.batches) > 4


def test_an_empty_list_has_no_results(make_llm: MakeLlm) -> None:
    told: list[tuple[int, int]] = []

    def progress(done: int, of: int) -> None:
        told.append((done, of))

    assert make_llm().generate_all([], progress=progress) == []
    assert asyncio.run(make_llm().achat_all([], progress=progress)) == []
    assert told == []


def test_generators_may_give_the_prompts(make_llm: MakeLlm) -> None:
    prompts: Any = (text for text in PROMPTS[:3])
    assert len(make_llm().generate_all(prompts, **OPTIONS)) == 3


def test_progress_hears_of_each(make_llm: MakeLlm) -> None:
    told: list[tuple[int, int]] = []
    threads = set()

    def progress(done: int, of: int) -> None:
        told.append((done, of))
        threads.add(threading.current_thread())

    make_llm().generate_all(PROMPTS, progress=progress, **OPTIONS)
    assert told == [(n, 40) for n in range(1, 41)]
    told.clear()
    asyncio.run(make_llm().achat_all(CHATS, progress=progress, **OPTIONS))
    assert told == [(n, 40) for n in range(1, 41)]
    assert threads == {threading.current_thread()}


def test_what_fails_in_progress_ends_the_rest(make_llm: MakeLlm) -> None:
    def progress(done: int, of: int) -> None:
        raise OSError("no more")

    llm: Any = make_llm(n_ctx=4096)
    for call in (llm.generate_all, lambda *a, **o: asyncio.run(llm.agenerate_all(*a, **o))):
        with pytest.raises(OSError, match="no more"):
            call(["a", *PROMPTS], progress=progress, seed=1, max_tokens=50)
        n_passes = len(llm.engine.passes)
        assert n_passes < 50 * 41
        assert llm.activity().running == 0
        assert llm.generate("a", **OPTIONS).usage.completion_tokens == 5


def test_cancelled(make_llm: MakeLlm) -> None:
    """No pass is made for any of them afterwards, and the model answers others."""
    llm: Any = make_llm(n_ctx=4096)

    async def main() -> None:
        work = asyncio.ensure_future(llm.agenerate_all(PROMPTS, max_tokens=4000))
        while len(llm.engine.passes) < 20:
            await asyncio.sleep(0.001)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        n_passes = len(llm.engine.passes)
        assert llm.activity().running == llm.activity().waiting == 0
        await asyncio.sleep(0.05)
        assert len(llm.engine.passes) == n_passes
        assert (await llm.agenerate("x", **OPTIONS)).usage.completion_tokens == 5

    asyncio.run(main())


@pytest.mark.parametrize(
    ("call", "values", "options", "error", "message"),
    [
        ("generate_all", "abc", {}, ArgumentTypeError, "prompts is 'abc', expected a list"),
        ("generate_all", None, {}, ArgumentTypeError, "prompts is None"),
        ("generate_all", [1, 2], {}, ArgumentTypeError, r"^prompts\[0\] is 1, expected text or"),
        ("generate_all", ["a", ""], {}, ArgumentError, r"^prompts\[1\] has no tokens"),
        ("generate_all", ["a", [999]], {}, ArgumentError, r"^prompts\[1\]: token 999 is not in"),
        ("generate_all", ["a", "b" * 300], {}, ContextLengthError, r"^prompts\[1\]: the prompt"),
        ("generate_all", ["a"], {"temp": 0}, ArgumentTypeError, "^unknown .*mean temperature"),
        ("generate_all", ["a"], {"top_p": 2}, ArgumentError, "^top_p is 2"),
        ("generate_all", ["a"], {"progress": True}, ArgumentTypeError, "progress is True"),
        ("chat_all", "abc", {}, ArgumentTypeError, "chats is 'abc', expected a list of chats"),
        ("chat_all", CHATS[0], {}, ArgumentTypeError, r"^chats\[0\] is .*; chat takes one"),
        ("chat_all", [CHATS[0], []], {}, ArgumentError, r"^chats\[1\]: messages is empty"),
        ("chat_all", CHATS, {"max_token": 0}, ArgumentTypeError, "^unknown .*mean max_tokens"),
    ],
)
def test_what_is_wrong_is_said_before_any_work(
    make_llm: MakeLlm, call: str, values: Any, options: dict[str, Any], error: Any, message: str
) -> None:
    llm: Any = make_llm()
    for name in (call, f"a{call}"):
        with pytest.raises(error, match=message):
            getattr(llm, name)(values, **options)
    assert llm.engine.passes == []
