"""How a coroutine waits for what the scheduler's thread does."""

from __future__ import annotations

import contextlib
from collections.abc import Callable


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
