"""Conversations for asyncio: the same history, tools that are awaited, clean cancellation."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from pestle import LLM, ArgumentError, ArgumentTypeError, ToolCall
from pestle.chat.rounds import REFUSED

from tests.unit.llm.test_tools import QWEN, TEMPLATE, asks, rounds

MakeLlm = Callable[..., LLM]


def test_the_history_is_that_of_the_other_calls(make_llm: MakeLlm) -> None:
    async def main() -> Any:
        chat = make_llm("Yes.").conversation("Be brief.")
        first = await chat.aask("Sure?", temperature=0)
        again = await chat.aregenerate(temperature=0)
        assert first.text == again.text
        async with chat.aask("Really?", stream=True, temperature=0) as stream:
            assert "".join([chunk.text async for chunk in stream]) == "Yes."
        chat.messages.append({"role": "user", "content": "And?"})
        await chat.aproceed(temperature=0)
        return chat.messages

    chat = make_llm("Yes.").conversation("Be brief.")
    chat.ask("Sure?", temperature=0)
    chat.regenerate(temperature=0)
    chat.ask("Really?", temperature=0)
    chat.messages.append({"role": "user", "content": "And?"})
    chat.proceed(temperature=0)
    assert asyncio.run(main()) == chat.messages


def test_errors_come_from_the_call(make_llm: MakeLlm) -> None:
    chat = make_llm().conversation()
    with pytest.raises(ArgumentError, match="no question"):
        chat.aregenerate()  # type: ignore[unused-coroutine]
    with pytest.raises(ArgumentTypeError, match="mean temperature"):
        chat.aask("Hi", temp=0)  # type: ignore[call-overload]
    with pytest.raises(ArgumentTypeError, match="stream is 1"):
        chat.aask("Hi", stream=1)  # type: ignore[call-overload]
    assert chat.messages == []


def test_a_cancelled_question_leaves_what_came(make_llm: MakeLlm) -> None:
    llm: Any = make_llm("A long story")
    chat = llm.conversation()
    entered, go_on = threading.Event(), threading.Event()

    def block() -> None:
        if len(llm.engine.passes) == 6:
            entered.set()
            assert go_on.wait(30)

    llm.engine.before = block

    async def main() -> None:
        stream = chat.aask("Tell", stream=True, temperature=0)

        async def read() -> None:
            async for _ in stream:
                pass

        task = asyncio.ensure_future(read())
        while not entered.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.sleep(0.01)
        assert not task.done()  # the pass in progress has to end
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        (_, answer) = chat.messages
        assert answer["content"]
        assert "A long story".startswith(answer["content"])
        await chat.aregenerate(temperature=0)

    asyncio.run(main())
    assert chat.messages[-1]["content"] == "A long story"


def test_rounds_of_calls(make_llm: MakeLlm) -> None:
    where = []

    async def says(text: str) -> str:
        await asyncio.sleep(0)
        where.append(threading.current_thread())
        return f"Said {text}"

    def shouts(text: str) -> str:
        where.append(threading.current_thread())
        return text.upper()

    async def fails() -> None:
        raise KeyError("no")

    both = [*asks("says", text="a"), *asks("shouts", text="b"), *asks("fails")]
    llm = make_llm(marks=QWEN, template=TEMPLATE, model=rounds(both, ["Done."]), n_ctx=4096)
    chat = llm.conversation(tools=[says, shouts, fails])
    answer = asyncio.run(chat.aconverse("Hi", temperature=0))
    assert answer.text == "Done."
    said = [message["content"] for message in chat.messages if message["role"] == "tool"]
    assert said == ["Said a", "B", "error: KeyError: 'no'"]
    assert where[0] is threading.current_thread()
    assert where[1] is not threading.current_thread()  # so that the loop goes on


@pytest.mark.parametrize("awaited", [False, True])
def test_calls_may_be_refused(make_llm: MakeLlm, awaited: bool) -> None:
    asked: list[ToolCall] = []

    def approve(call: ToolCall) -> bool:
        asked.append(call)
        return False

    async def aapprove(call: ToolCall) -> bool:
        await asyncio.sleep(0)
        return approve(call)

    def says(text: str) -> str:
        raise AssertionError

    model = rounds(asks("says", text="a"), ["Well."])
    llm = make_llm(marks=QWEN, template=TEMPLATE, model=model, n_ctx=4096)
    chat = llm.conversation(tools=[says])
    asyncio.run(chat.aconverse("Hi", approve=aapprove if awaited else approve, temperature=0))
    assert asked == [ToolCall("says", '{"text": "a"}')]
    assert chat.messages[2]["content"] == REFUSED


@pytest.mark.parametrize("blocking", [False, True])
def test_cancelled_in_a_tool(make_llm: MakeLlm, blocking: bool) -> None:
    """The history has the question and its calls; the call that was cut has no result."""
    begun = threading.Event()
    over = threading.Event()

    async def waits() -> str:
        begun.set()
        await asyncio.sleep(3600)
        return "never"

    def blocks() -> str:
        begun.set()
        time.sleep(0.05)
        over.set()
        return "too late"

    tool: Any = blocks if blocking else waits
    model = rounds([*asks(tool.__name__)], ["Done."])
    llm = make_llm(marks=QWEN, template=TEMPLATE, model=model, n_ctx=4096)
    chat = llm.conversation(tools=[tool])

    async def main() -> None:
        task = asyncio.ensure_future(chat.aconverse("Hi", temperature=0))
        while not begun.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert over.is_set() or not blocking  # no thread outlives the call
        assert [message["role"] for message in chat.messages] == ["user", "assistant"]
        assert await chat.aanswer_calls({0: "mended"}) == 1
        assert (await chat.aproceed(temperature=0)).text == "Done."

    asyncio.run(main())


def test_coroutine_functions_are_for_asyncio(make_llm: MakeLlm) -> None:
    async def says(text: str) -> str:
        return text

    model = rounds(asks("says", text="a"), ["Done."])
    llm = make_llm(marks=QWEN, template=TEMPLATE, model=model, n_ctx=4096)
    chat = llm.conversation(tools=[says])
    with pytest.raises(ArgumentTypeError, match="says is a coroutine function; use aconverse"):
        chat.converse("Hi", temperature=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"approve": True}, "approve is True, expected a function"),
        ({"most_rounds": -1}, "most_rounds is -1"),
        ({"stream": True}, "converse gives no stream"),
    ],
)
def test_what_is_wrong(make_llm: MakeLlm, options: Any, message: str) -> None:
    llm: Any = make_llm()
    chat = llm.conversation()
    with pytest.raises(ArgumentError, match=message):
        chat.converse("Hi", **options)
    with pytest.raises(ArgumentError, match=message):
        asyncio.run(chat.aconverse("Hi", **options))
    assert llm.engine.passes == []
