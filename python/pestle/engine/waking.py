"""How a coroutine waits for what the scheduler's thread does."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Protocol, TypeAlias, TypeVar

from pestle.engine.ticket import Ticket

T = TypeVar("T")
Awaited: TypeAlias = Coroutine[Any, Any, T]
"""What a call for asyncio gives: await it."""


class Stepped(Protocol):
    """What forward passes are made for: a ticket, or a run."""

    @property
    def settled(self) -> bool:
        """Whether no pass for it is in progress."""

    def watch(self, callback: Callable[[], None]) -> None:
        """Have `callback` called once, when `settled` may have changed."""


async def results(ticket: Ticket[T]) -> AsyncIterator[T]:
    """What comes of some work, for asyncio. Whoever stops iterating ends it.

    Its end waits for the pass in progress.
    """
    try:
        while True:
            while not ticket.ready:
                await changed(ticket.watch)
            if (result := ticket.next()) is None:
                return
            yield result
    finally:
        ticket.cancel()
        await settled(ticket)


async def settled(work: Stepped) -> None:
    """Wait until no pass for `work` is in progress, even where the waiting itself is cancelled."""
    try:
        while not work.settled:
            await changed(work.watch)
    except BaseException:  # CancelledError: the pass still has to end
        await settled(work)
        raise


async def in_thread(function: Callable[[], T], on_cancel: Callable[[], object] = lambda: None) -> T:
    """What `function` returns, called in a thread. Cancelled, it ends when the function has.

    So nothing goes on behind the back of whoever cancelled it, however often that was done.
    `on_cancel` may have the function end early.
    """
    import asyncio  # as below

    running = asyncio.ensure_future(asyncio.to_thread(function))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        on_cancel()
        while not running.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([running])
        if not running.cancelled():
            running.exception()  # nobody is left to hear of it
        raise


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
