"""Threads that call functions in the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from pestle.server.doorbell import Doorbell


class CountingLoop:
    """Of an event loop, what a doorbell needs; counts how often it is woken."""

    def __init__(self) -> None:
        self.woken = 0
        self.pending: list[Callable[[], None]] = []

    def call_soon_threadsafe(self, function: Callable[[], None]) -> None:
        self.woken += 1
        self.pending.append(function)


def test_what_comes_at_once_wakes_it_once() -> None:
    loop = CountingLoop()
    bell = Doorbell(loop)  # type: ignore[arg-type]
    heard: list[int] = []
    for n in range(8):
        bell.ring(lambda n=n: heard.append(n))  # type: ignore[misc]
    assert loop.woken == 1
    loop.pending.pop()()
    assert heard == list(range(8))
    bell.ring(lambda: heard.append(8))
    assert loop.woken == 2
    loop.pending.pop()()
    assert heard == list(range(9))


def test_what_rings_while_it_is_answered_is_heard() -> None:
    loop = CountingLoop()
    bell = Doorbell(loop)  # type: ignore[arg-type]
    heard: list[str] = []
    bell.ring(lambda: bell.ring(lambda: heard.append("inner")))
    while loop.pending:
        loop.pending.pop()()
    assert heard == ["inner"]


def test_no_ring_of_many_threads_is_lost() -> None:
    async def main() -> int:
        bell = Doorbell(asyncio.get_running_loop())
        heard, over = 0, asyncio.Event()

        def hear() -> None:
            nonlocal heard
            heard += 1
            if heard == 4000:
                over.set()

        def work() -> None:
            for _ in range(1000):
                bell.ring(hear)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        await asyncio.wait_for(over.wait(), 60)
        for thread in threads:
            thread.join()
        return heard

    assert asyncio.run(main()) == 4000


def test_a_loop_that_has_ended_is_no_error() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    Doorbell(loop).ring(lambda: None)
