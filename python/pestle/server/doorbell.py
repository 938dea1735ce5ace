"""How threads call functions in the event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable


class Doorbell:
    """Calls functions in a loop. However many come at once, they wake it once.

    Waking a loop takes a system call, and has its thread ask for the interpreter. A pass of the
    scheduler ends for many answers at a time.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: deque[Callable[[], None]] = deque()
        self._rung = False

    def ring(self, function: Callable[[], None]) -> None:
        """Have `function` called in the loop soon; from any thread."""
        self._calls.append(function)
        if not self._rung:
            self._rung = True
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                self._loop.call_soon_threadsafe(self._open)

    def _open(self) -> None:
        self._rung = False  # first: what comes from now on may be overlooked here
        while self._calls:
            self._calls.popleft()()
