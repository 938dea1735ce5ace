"""What a chat template may cost: it comes with the model file and may be hostile.

Jinja's sandbox keeps a template from reaching Python, but not from running forever or filling the
memory: a few nested loops, macros that call themselves twice, a string that doubles in a loop.
So a whole chat (reading and compiling its template, all renderings) has one `Meter`. Whatever
could make much out of little is charged before it happens (`costs`), and everything else is no
more work than walking over a value, whose size as if written out is bounded too.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from jinja2.exceptions import SecurityError

T = TypeVar("T")

SECONDS = 5.0  # of processor time, for a whole chat
MEMORY = 256 << 20  # bytes of all values that are made for one chat, whether or not they are kept
MEMORY_PER_BYTE = 32  # more for each byte that the caller gives
VALUE_CHARS = 8 << 20  # characters of one value as if written out; more with what is given
VALUE_ITEMS = 200_000  # items of one value, with those inside them; more with what is given,
# since texts are cut into words and lines
PROMPT_CHARS = 1 << 20  # characters of a rendered text; more with what is given
PROMPT_PER_CHAR = 8
VALUE_DEPTH = 64  # lists within lists that a template makes
INPUT_DEPTH = 100  # lists within lists that it is given
CALL_DEPTH = 100  # macros within macros
INT_BITS = 4096

_STEPS = 32  # without a look at the clock
_WORK = 1 << 16  # bytes that are worth a step
_MB = 1 << 20


class Meter:
    """The account of one chat. Every method raises SecurityError once it is overdrawn."""

    def __init__(
        self, seconds: float = SECONDS, memory: int = MEMORY, *, spent: float = 0.0
    ) -> None:
        """`seconds` of processor time from now on, `spent` of them already, and `memory` bytes."""
        self.seconds = seconds
        self._begin = time.thread_time() - spent
        self._end = self._begin + seconds
        self._memory = self._left = memory
        self._patience = _STEPS
        self._calls = 0
        self.given_chars = self._given_items = 0
        # The sizes of the caller's lists and dicts by identity, so that they are counted once.
        self._known: dict[int, tuple[int, int]] = {}
        self._inputs: object = None

    @property
    def spent(self) -> float:
        """Seconds of processor time so far."""
        return time.thread_time() - self._begin

    def admit(self, inputs: object) -> None:
        """Take the caller's own values as they are; the limits grow with them.

        Raises SecurityError for lists more than `INPUT_DEPTH` deep.
        """
        self._inputs, self._known = inputs, {}  # kept, so that no other value has their identity
        n_bytes, self.given_chars, self._given_items = _Inputs(self._known).measure(inputs)
        self._memory += MEMORY_PER_BYTE * n_bytes
        self._left += MEMORY_PER_BYTE * n_bytes

    def step(self, n: int = 1) -> None:
        """Note `n` short operations, and look at the clock every so often."""
        self._patience -= n
        if self._patience < 0:
            self.look()

    def look(self) -> None:
        """Look at the clock."""
        self._patience = _STEPS
        if time.thread_time() > self._end:
            raise SecurityError(self._out_of_time())

    def spend(self, n_bytes: int) -> None:
        """Account for a value of so many bytes, before it is made."""
        self._left -= n_bytes
        if self._left < 0:
            raise SecurityError(
                f"a chat's template may make values of {self._memory // _MB:,} MB, not more"
            )
        self.step(1 + n_bytes // _WORK)

    def foresee(self, seconds: float) -> None:
        """Refuse an operation that could take so long, where so much time is not left."""
        if seconds > 0.01 and self.spent + seconds > self.seconds:
            raise SecurityError(self._out_of_time())

    def made(self, value: T) -> T:
        """Bound a value that the template made, or uses, by its size as if written out."""
        self.step()
        if isinstance(value, str):
            if len(value) > self._most_chars:
                raise SecurityError(self._too_large())
        elif isinstance(value, int):
            if value.bit_length() > INT_BITS:
                raise SecurityError(f"a number has more than {INT_BITS:,} bits")
        elif isinstance(value, _CONTAINERS) and id(value) not in self._known:
            self._measure(value)
        return value

    def begin_call(self) -> None:
        """Account for a call within others, until `end_call`."""
        self._calls += 1
        if self._calls > CALL_DEPTH:
            raise SecurityError(f"calls are more than {CALL_DEPTH} levels deep")

    def end_call(self) -> None:
        """The call has returned."""
        self._calls -= 1

    @property
    def longest_prompt(self) -> int:
        """Characters that a rendered text may have."""
        return PROMPT_CHARS + PROMPT_PER_CHAR * self.given_chars

    @property
    def _most_chars(self) -> int:
        return VALUE_CHARS + 4 * self.given_chars

    @property
    def _most_items(self) -> int:
        return VALUE_ITEMS + 4 * self._given_items + self.given_chars // 16

    def _out_of_time(self) -> str:
        return f"a chat's template may take {self.seconds:g} s of processor time, not more"

    def _too_large(self) -> str:
        return (
            f"a value may have {self._most_chars:,} characters and {self._most_items:,} items, "
            "written out, not more"
        )

    def _measure(self, value: object) -> None:
        """Count characters and items as if written out, shared parts as often as they occur.

        Where a list holds another one twice, and that a third one twice, and so on, little memory
        writes out to more than any machine holds. The count stops where it exceeds the limits.
        A namespace counts as one item: it writes out to its name alone.
        """
        chars = items = 0
        most_chars, most_items = self._most_chars, self._most_items
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
                elif (inside := inside_of(item)) is not None:
                    stack.append(inside)
                    break
                if chars > most_chars or items > most_items:
                    raise SecurityError(self._too_large())
            else:
                stack.pop()
            if len(stack) > VALUE_DEPTH:
                raise SecurityError(f"lists are more than {VALUE_DEPTH} levels deep")
        self.step(items >> 8)


class _Inputs:
    """Sizes of what a caller gives: bytes, characters, and items with those inside them."""

    def __init__(self, known: dict[int, tuple[int, int]]) -> None:
        self._known = known
        self._bytes: dict[int, int] = {}

    def measure(self, value: object, depth: int = 0) -> tuple[int, int, int]:
        if isinstance(value, str):
            return sys.getsizeof(value), len(value), 1
        if (inside := inside_of(value)) is None:
            return 32, 0, 1
        if id(value) in self._known:  # shared
            return (self._bytes[id(value)], *self._known[id(value)])
        if depth >= INPUT_DEPTH:
            raise SecurityError(
                f"messages, tools and variables may be {INPUT_DEPTH} levels deep, not more"
            )
        n_bytes, chars, items = sys.getsizeof(value), 0, 1
        for item in inside:
            more = self.measure(item, depth + 1)
            n_bytes, chars, items = n_bytes + more[0], chars + more[1], items + more[2]
        self._known[id(value)], self._bytes[id(value)] = (chars, items), n_bytes
        return n_bytes, chars, items


_VIEWS: tuple[type[Iterable[object]], ...] = (type({}.keys()), type({}.values()), type({}.items()))
_CONTAINERS: tuple[type[Iterable[object]], ...] = (list, tuple, dict, set, frozenset, *_VIEWS)


def inside_of(value: object) -> Iterator[object] | None:
    """What a list or dict, or a view of one, holds; None for anything else."""
    if isinstance(value, dict):
        return (part for pair in value.items() for part in pair)
    if isinstance(value, (list, tuple, set, frozenset)):
        return iter(value)
    if isinstance(value, _VIEWS):
        return iter(value)
    return None


_current: ContextVar[Meter | None] = ContextVar("meter", default=None)


def meter() -> Meter:
    """The meter of the chat that goes on in this thread."""
    account = _current.get()
    assert account is not None
    return account


def running() -> Meter | None:
    """The meter of the chat that goes on in this thread, if one does."""
    return _current.get()


@contextmanager
def metered(account: Meter) -> Iterator[Meter]:
    """Put everything that templates do within on this account."""
    token = _current.set(account)
    try:
        yield account
    finally:
        _current.reset(token)
