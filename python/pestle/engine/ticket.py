"""How somebody waits for work that the scheduler does: in a thread, or told by a call."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from pestle.engine.order import Place
from pestle.engine.work import Taken, Work

if TYPE_CHECKING:
    from pestle.engine.scheduler import Scheduler

T = TypeVar("T")

AHEAD = 1
"""Results that may wait for whoever takes them while the next pass is made."""
_PATIENCE = 0.1  # seconds
_STALLED = 1.0  # seconds after which it seems that nobody takes its results any more


class Ticket(Generic[T]):
    """A piece of work in the scheduler, for whoever waits for its results."""

    def __init__(
        self,
        scheduler: Scheduler,
        work: Work[T],
        cancel: threading.Event,
        *,
        eager: bool,
        client: str = "",
        ahead: int = AHEAD,
    ) -> None:
        self.client = client
        self.number = next(scheduler._numbers)
        self._scheduler = scheduler
        self._work: Work[T] | None = work
        self._cancel = cancel
        self._eager = eager
        self._ahead = ahead
        self._begun = False
        self._set_aside = False
        self._since = time.monotonic()  # when it came, or was served last
        self._need = 0  # bytes that it could not have when it was to begin
        self._results: deque[T] = deque()
        self._error: BaseException | None = None
        self._ended = False
        self._stepping = False
        self._lock = scheduler._lock
        self._arrived = threading.Condition(self._lock)
        self._settled = threading.Condition(self._lock)
        self._watchers: list[Callable[[], None]] = []
        self._waiting = 0  # threads in `next`
        maker = threading.current_thread()
        self._of_daemon, self._of_main = maker.daemon, maker is threading.main_thread()

    def next(self) -> T | None:
        """The next result, once there is one; None when the work has ended or was cancelled.

        Raises what ended it, after the results that came before.
        """
        with self._lock:
            self._waiting += 1
            try:
                while not self._is_ready():
                    self._arrived.wait(patience())
            finally:
                self._waiting -= 1
            # Of work that hurries, what there is counts: nobody looked at it piece by piece.
            if self._cancel.is_set() and not (self._eager and self._results):
                return None
            if self._results:
                if len(self._results) == self._ahead + 1:
                    self._scheduler._look()
                return self._results.popleft()
            error, self._error = self._error, None
        try:
            if error is not None:
                raise error
        finally:
            del error  # its traceback has this frame
        return None

    @property
    def work(self) -> Work[T]:
        """What is done; while a pass for it is in progress."""
        assert self._work is not None, "a pass was begun for what has ended"
        return self._work

    @property
    def ready(self) -> bool:
        """Whether `next` would not wait."""
        with self._lock:
            return self._is_ready()

    @property
    def settled(self) -> bool:
        """Whether no pass for it is in progress."""
        with self._lock:
            return not self._stepping

    @property
    def ended(self) -> bool:
        """Whether there is nothing more to come but the results that nobody has taken yet."""
        with self._lock:
            return self._ended or self._cancel.is_set()

    @property
    def place(self) -> int | None:
        """How much other work came before this one and waits too; None once it has begun or ended.

        One that was set aside counts as begun.
        """
        with self._lock:
            waiting = self._scheduler._line.waiting
            return waiting.index(self) if not self._begun and self in waiting else None

    def watch(self, callback: Callable[[], None]) -> None:
        """Have `callback` called once, in any thread, when `ready` or `settled` may have changed.

        At once, if it is both already.
        """
        with self._lock:
            if not (self._is_ready() and not self._stepping):
                self._watchers.append(callback)
                return
        callback()

    def hurry(self) -> None:
        """Let the work go on to its end although nobody takes its results meanwhile.

        Who waits for the next result is then woken at the end only.
        """
        with self._lock:
            self._eager = True
            if not self._ended:
                self._scheduler._look()

    def cancel(self) -> None:
        """Want no more of it; a pass in progress ends, early if it takes long. Never waits.

        So it may be called wherever the garbage collector runs, also in the middle of what holds
        the lock. Then the scheduler finds out when it looks next.
        """
        self._cancel.set()
        self._scheduler.give_up()
        if self._scheduler._lock.acquire(blocking=False):
            try:
                watchers = self._scheduler._line.drop_cancelled()
            finally:
                self._scheduler._lock.release()
            call_all(watchers)

    def settle(self) -> None:
        """Wait until no pass for this work is in progress."""
        if threading.current_thread() is self._scheduler._thread:
            return
        with self._lock:
            while self._stepping:
                self._settled.wait(patience())

    def _is_ready(self) -> bool:
        if self._cancel.is_set():
            return not self._stepping  # so that nothing changes any more
        return bool(self._results) or self._ended

    def _wants(self) -> bool:
        return self._eager or len(self._results) <= self._ahead

    def _standing(self, now: float) -> Place:
        """What decides when it is served."""
        stalled = not self._wants() and now - self._since > _STALLED
        remaining = self.work.remaining
        return Place(self.client, remaining, self._since, self.number, self._set_aside, stalled)

    def _is_waited_for(self) -> bool:
        """Whether somebody can still take the results while the interpreter ends."""
        waits = self._waiting > 0 or (bool(self._watchers) and not self._of_main)
        return waits and not self._of_daemon

    def _release(self) -> None:
        """Let go of the work, which holds a sequence and may hold threads."""
        work, self._work = self._work, None
        if work is not None:
            self._scheduler._later.append(work.leave)
            with contextlib.suppress(Exception):  # nobody is left to tell
                work.close()

    def _notify(self) -> list[Callable[[], None]]:
        """Wake who waits; whom to tell besides. Of work that hurries only the end is news."""
        self._settled.notify_all()
        if not self._eager or self._ended or self._cancel.is_set():
            self._arrived.notify_all()
        watchers, self._watchers = self._watchers, []
        return watchers


Outcome: TypeAlias = tuple[Ticket[Any], Taken[Any] | BaseException | None]
"""What came of a pass for a ticket: results, an error, or None where it had no part in it."""


class Call:
    """A function that some thread wants called between two passes."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._done = threading.Event()
        self._result: Any = None
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._result = self._function()
        except BaseException as error:  # the caller's to handle
            self._error = error
        self._done.set()

    def fail(self, error: BaseException) -> None:
        self._error = error
        self._done.set()

    def wait(self) -> Any:
        while not self._done.wait(patience()):
            pass
        try:
            if self._error is not None:
                raise self._error
            return self._result
        finally:
            del self  # the traceback of an error has this frame


def patience() -> float | None:
    """How long to wait before looking again: the main thread looks for Ctrl-C in between.

    Not every system wakes it from a wait for that: Windows does not, nor does a signal that the
    system hands to another thread.
    """
    return _PATIENCE if threading.current_thread() is threading.main_thread() else None


def call_all(functions: Sequence[Callable[[], object]]) -> None:
    for function in functions:
        with contextlib.suppress(Exception):  # whoever wanted to be told may be gone
            function()
