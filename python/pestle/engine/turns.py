"""A lock that threads get in the order of their asking."""

from __future__ import annotations

import threading
from collections import deque


class Turns:
    """Use it as a context manager; it is not reentrant.

    `threading.Lock` may go to the thread that has just released it, again and again: a long prompt
    would keep a short one waiting.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._taken = False

    def __enter__(self) -> None:
        with self._guard:
            if not self._taken:
                self._taken = True
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        try:
            turn.acquire()  # whoever is before us releases it
        except BaseException:  # Ctrl-C
            with self._guard:
                mine = turn not in self._waiting
                if not mine:
                    self._waiting.remove(turn)
            if mine:
                self._pass_on()
            raise

    def __exit__(self, *_: object) -> None:
        self._pass_on()

    def _pass_on(self) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._taken = False
