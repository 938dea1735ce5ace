"""How a coroutine waits for what the scheduler's thread does."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

from pestle.engine.ticket import Ticket

T = TypeVar("T")


async def results(ticket: Ticket[T]) -> AsyncIterator[T]:
    """What comes of some work, for asyncio. Whoever stops iterating ends it."""
    try:
        while True:
            while not ticket.ready:
                await changed(ticket.watch)
            if (result := ticket.next()) is None:
                return
            yield result
    finally:
        ticket.cancel()


async def changed(watch: Callable[[Callable[[], None]], None]) -> None:
    """Wait until `watch`, which is that of a ticket or a run, tells of a change."""
    import asyncio  # here: `import pestle` does without it

    loop = asyncio.get_running_loop()
    change = loop.create_future()

    def settle() -> None:
        if not change.done():
            change.set_result(None)

    def tell() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle)

    watch(tell)
    await change
