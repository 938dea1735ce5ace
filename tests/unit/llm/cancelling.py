"""A call for asyncio that is cancelled while it cannot stop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest


async def outlasts_cancelling(
    call: Callable[[], Coroutine[Any, Any, object]],
    entered: threading.Event,
    go_on: threading.Event,
) -> None:
    """Cancel `call` three times once it has `entered`: it ends when it may `go_on`, not before."""
    task = asyncio.ensure_future(call())
    await asyncio.to_thread(entered.wait)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0.01)
        assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
