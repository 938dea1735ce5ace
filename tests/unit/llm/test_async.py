"""The asynchronous calls: awaited, iterated, at the same time, cancelled."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from typing import Any

import pytest
from pestle import LLM, ContextLengthError

from tests.unit.llm.cancelling import outlasts_cancelling

MakeLlm = Callable[..., LLM]
PROMPT = "\x02"
HELLO = [{"role": "user", "content": "Hello"}]


def test_awaited(make_llm: MakeLlm) -> None:
    llm = make_llm("Grüße")
    assert asyncio.run(llm.agenerate(PROMPT, temperature=0)).text == "Grüße"
    assert asyncio.run(llm.achat(HELLO, temperature=0)).message["content"] == "Grüße"


def test_streamed(make_llm: MakeLlm) -> None:
    async def main() -> None:
        llm = make_llm("Grüße")
        stream = llm.agenerate(PROMPT, temperature=0, stream=True)
        assert "".join([chunk.text async for chunk in stream]) == "Grüße"
        assert (await stream.result()).finish_reason == "stop"
        async with llm.achat(HELLO, temperature=0, stream=True) as chat:
            assert (await anext(chat)).text == "G"
        assert (await chat.result()).finish_reason == "cancelled"

    asyncio.run(main())


def test_errors_come_from_the_call(make_llm: MakeLlm) -> None:
    with pytest.raises(ContextLengthError):
        make_llm(n_ctx=4).agenerate("12345")  # type: ignore[unused-coroutine]


def test_several_at_once(make_llm: MakeLlm) -> None:
    async def main() -> list[str]:
        llm = make_llm()
        calls = [llm.agenerate(f"p{i}", seed=1, max_tokens=20) for i in range(5)]
        return [done.text for done in await asyncio.gather(*calls)]

    expected = [make_llm().generate(f"p{i}", seed=1, max_tokens=20).text for i in range(5)]
    assert asyncio.run(main()) == expected


def test_the_loop_stays_free_and_cancelling_waits_for_the_pass(make_llm: MakeLlm) -> None:
    llm: Any = make_llm(chunk=4)
    session = llm.session()
    entered, go_on = threading.Event(), threading.Event()

    def block_in_the_second_pass() -> None:
        if len(llm.engine.passes) == 1:
            entered.set()
            assert go_on.wait(10)

    llm.engine.before = block_in_the_second_pass

    async def main() -> None:
        task = asyncio.create_task(session.agenerate("a prompt of twenty.."))
        while not entered.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.sleep(0.01)
        assert not task.done()
        task.cancel()  # impatience does not help
        await asyncio.sleep(0.01)
        assert not task.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert llm.engine.passes == [4, 4]
        assert session.tokens == list(b"a prompt")
        done = await session.agenerate("a prompt of twenty..", max_tokens=3)
        assert done.usage.cached_tokens == 8

    asyncio.run(main())


@pytest.mark.parametrize("impatient", [False, True])
def test_aclose_during_a_chunk(make_llm: MakeLlm, impatient: bool) -> None:
    """It waits for the pass in progress, also when it is cancelled itself; the loop stays free."""
    llm: Any = make_llm(chunk=4)
    session = llm.session()
    entered, go_on = threading.Event(), threading.Event()

    def block_in_the_second_pass() -> None:
        if len(llm.engine.passes) == 1:
            entered.set()
            assert go_on.wait(10)

    llm.engine.before = block_in_the_second_pass

    async def main() -> None:
        stream = session.agenerate("a prompt of twenty..", stream=True)
        waiting = asyncio.create_task(stream.__anext__())
        while not entered.is_set():
            await asyncio.sleep(0.001)
        closing = asyncio.create_task(stream.aclose())
        await asyncio.sleep(0.01)
        if impatient:
            for _ in range(2):
                closing.cancel()
                await asyncio.sleep(0.01)
        assert not closing.done()
        go_on.set()
        if impatient:
            with pytest.raises(asyncio.CancelledError):
                await closing
        else:
            await closing
        assert (await waiting).finish_reason == "cancelled"
        assert llm.engine.passes == [4, 4]
        assert [chunk async for chunk in stream] == []
        await stream.aclose()
        done = await session.agenerate("a prompt of twenty..", max_tokens=1)
        assert done.usage.cached_tokens == 8

    asyncio.run(main())


def test_aclose_before_the_first_chunk(llm: Any) -> None:
    async def main() -> None:
        stream = llm.agenerate("x", stream=True)
        await stream.aclose()
        assert (await stream.result()).finish_reason == "cancelled"

    asyncio.run(main())
    assert llm.engine.passes == []


def test_an_error_after_the_cancellation_is_nobodys(make_llm: MakeLlm) -> None:
    """asyncio would print that an exception was never retrieved."""
    llm: Any = make_llm(chunk=4)
    entered, go_on = threading.Event(), threading.Event()

    def fail_in_the_second_pass() -> None:
        if len(llm.engine.passes) == 1:
            entered.set()
            assert go_on.wait(10)
            raise MemoryError("no room")

    llm.engine.before = fail_in_the_second_pass
    complaints: list[Any] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, of: complaints.append(of))
        task = asyncio.create_task(llm.session().agenerate("a prompt of twenty.."))
        while not entered.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.sleep(0.01)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        del task
        gc.collect()
        await asyncio.sleep(0)

    asyncio.run(main())
    gc.collect()
    assert complaints == []


@pytest.mark.parametrize("call", ["ascore", "alogits"])
def test_cancelling_what_only_reads_waits_for_the_pass(make_llm: MakeLlm, call: str) -> None:
    llm: Any = make_llm(chunk=4)
    entered, go_on = threading.Event(), threading.Event()

    def block() -> None:
        entered.set()
        assert go_on.wait(10)

    llm.engine.before = block

    asyncio.run(
        outlasts_cancelling(lambda: getattr(llm, call)("a text of twenty...."), entered, go_on)
    )
    assert llm.engine.passes == [4]
    assert llm.activity().running == 0
