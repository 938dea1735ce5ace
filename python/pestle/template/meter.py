"""What a template may cost: it comes with the model file and may be hostile.

Jinja's sandbox keeps a template from reaching Python, but not from running forever or filling the
memory: a few nested loops, macros that call themselves twice, a string that doubles in a loop.
So every value that a template makes is put through a `Meter`, which bounds its size and looks at
the clock; since each step is then short, a template ends within about the time allowed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from jinja2.exceptions import SecurityError

T = TypeVar("T")

SECONDS = 5.0  # of processor time for one rendering
VALUE_CHARS = 8 << 20  # characters of one value, and of the rendered text
TOTAL_CHARS = 256 << 20  # characters of all values made
VALUE_ITEMS = 200_000  # items of one list or dict, with those inside them counted
VALUE_DEPTH = 64  # lists within lists
INT_BITS = 4096


class Meter:
    """The account of one rendering. Every method raises SecurityError once it is overdrawn."""

    def __init__(self, inputs: object, seconds: float) -> None:
        """`inputs` are the caller's own values, which are taken as they are.

        `seconds` of processor time from now on are what the rendering may take.
        """
        self._end = time.thread_time() + seconds
        self._seconds = seconds
        self._chars = TOTAL_CHARS
        # The sizes of the caller's lists and dicts by identity, so that they are counted once.
        self._known: dict[int, tuple[int, int]] = {}
        self._measure_input(inputs)

    def spend(self, value: T) -> T:
        """Account for a value that the template made."""
        if isinstance(value, str):
            self.spend_chars(len(value))
        elif isinstance(value, int) and value.bit_length() > INT_BITS:
            raise SecurityError("a number grew too large")
        self.check(value)
        return value

    def check(self, value: object) -> None:
        """Look at the clock, and at a value that the template uses."""
        if time.thread_time() > self._end:
            raise SecurityError(f"it took more than {self._seconds:g} s to render")
        if isinstance(value, (list, tuple, dict, set, frozenset)) and id(value) not in self._known:
            self._measure(value)

    def spend_chars(self, chars: int) -> None:
        """Account for a value of so many characters, before it is made where that can be known."""
        self._chars -= chars
        if chars > VALUE_CHARS or self._chars < 0:
            raise SecurityError("a text grew too large")

    def _measure(self, value: object) -> None:
        """Count characters and items as if written out, shared parts as often as they occur.

        Where a list holds another one twice, and that a third one twice, and so on, little memory
        writes out to more than any machine holds. The count stops where it exceeds the limits.
        A namespace counts as one item: it writes out to its name alone.
        """
        chars = items = 0
        stack: list[Iterator[object]] = [iter((value,))]
        while stack:
            for item in stack[-1]:
                items += 1
                if isinstance(item, str):
                    chars += len(item)
                elif id(item) in self._known:
                    known_chars, known_items = self._known[id(item)]
                    chars += known_chars
                    items += known_items
                elif (inside := _inside(item)) is not None:
                    stack.append(inside)
                    break
                if chars > VALUE_CHARS or items > VALUE_ITEMS:
                    raise SecurityError("a list grew too large")
            else:
                stack.pop()
            if len(stack) > VALUE_DEPTH:
                raise SecurityError(f"lists are more than {VALUE_DEPTH} levels deep")

    def _measure_input(self, value: object) -> tuple[int, int]:
        if isinstance(value, str):
            return len(value), 1
        if (inside := _inside(value)) is None:
            return 0, 1
        chars, items = 0, 1
        for item in inside:
            more = self._measure_input(item)
            chars, items = chars + more[0], items + more[1]
        self._known[id(value)] = chars, items
        return chars, items


def _inside(value: object) -> Iterator[object] | None:
    if isinstance(value, dict):
        return (part for pair in value.items() for part in pair)
    if isinstance(value, (list, tuple, set, frozenset)):
        return iter(value)
    return None


_current: ContextVar[Meter] = ContextVar("meter")


def meter() -> Meter:
    """The meter of the rendering that goes on in this thread."""
    return _current.get()


@contextmanager
def metered(account: Meter) -> Iterator[None]:
    """Put everything that templates do within on this account."""
    token = _current.set(account)
    try:
        yield
    finally:
        _current.reset(token)
