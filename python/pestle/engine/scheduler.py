"""The one loop that steps: it takes what all work in progress wants next into one forward pass.

Whoever wants something computed adds a piece of work and takes what comes of it from a `Ticket`.
A thread of the scheduler's own makes the passes. It is there while there is work, and is the only
one that touches the engine and its sequences; so nothing else needs a lock around them. That it is
not the main thread also means that no Ctrl-C can end a pass half done.
"""

from __future__ import annotations

import contextlib
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from pestle.engine.pace import Pace
from pestle.errors import MemoryLimitError

if TYPE_CHECKING:
    from pestle.engine.loaded import Choice, ForwardPass, Sampled
    from pestle.engine.sequence import KvSequence

T = TypeVar("T")

_AHEAD = 1  # results that may wait for whoever takes them while the next pass is made
_LINGER = 0.05  # seconds that the thread waits for more work before it ends
_LEAST_ROWS = 16  # of a further prompt in a pass
_PATIENCE = 0.1  # seconds


class Rows(NamedTuple):
    """What a piece of work wants of the next pass: tokens to append, and which logits."""

    sequence: KvSequence
    tokens: list[int]
    logits: str  # "none", "last" or "all", of these tokens


class Taken(NamedTuple, Generic[T]):
    """What came of a pass for a piece of work."""

    results: list[T]
    ended: bool


class Work(Protocol[T]):
    """Something that needs passes, one after the other, until it ends.

    Only the scheduler's thread calls it, in this order: `begin`, then for each pass `rows`,
    `choice` and `take`. What any of them raises ends the work, and the ticket raises it.
    """

    @property
    def reading(self) -> bool:
        """Whether it reads a text that is there already, in pieces of any length."""

    def begin(self) -> None:
        """Make ready for the first pass."""

    def rows(self, most: int, *, alone: bool) -> Rows:
        """What the next pass shall read: `most` tokens at most, and 1 at least.

        `alone`: nothing else is in the pass.
        """

    def spare(self) -> bool:
        """Whether it can do with less memory than for the last `rows`, which are asked for anew."""

    def choice(self, row: int) -> Choice | None:
        """What to choose after the pass, if anything; its logits begin at `row`."""

    def take(self, row: int, chosen: Sequence[Sampled], seconds: float) -> Taken[T]:
        """Go on from a pass that took so many seconds, and what was chosen after it."""

    def close(self) -> None:
        """Let go of what it has of its own: it has ended, or nobody wants it any more."""


class Ticket(Generic[T]):
    """A piece of work in the scheduler, for whoever waits for its results."""

    def __init__(
        self, scheduler: Scheduler, work: Work[T], cancel: threading.Event, *, eager: bool
    ) -> None:
        self._scheduler = scheduler
        self._work: Work[T] | None = work
        self._cancel = cancel
        self._eager = eager
        self._begun = False
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
                if len(self._results) == _AHEAD + 1:
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
        """Want no more of it; a pass in progress still ends. Never waits.

        So it may be called wherever the garbage collector runs, also in the middle of what holds
        the lock. Then the scheduler finds out when it looks next.
        """
        self._cancel.set()
        if self._scheduler._lock.acquire(blocking=False):
            try:
                watchers = self._scheduler._drop_cancelled()
            finally:
                self._scheduler._lock.release()
            _call_all(watchers)

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
        return self._eager or len(self._results) <= _AHEAD

    def _is_waited_for(self) -> bool:
        """Whether somebody can still take the results while the interpreter ends."""
        waits = self._waiting > 0 or (bool(self._watchers) and not self._of_main)
        return waits and not self._of_daemon

    def _release(self) -> None:
        """Let go of the work, which holds a sequence and may hold threads."""
        work, self._work = self._work, None
        if work is not None:
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


class _Call:
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


class Scheduler:
    """All work on one engine.

    Each pass has one row, or a few drafted ones, for every answer that is being written; then a
    piece of the prompts that are being read, so long that the answers wait little for it. Prompts
    are served in turn, so a short one does not wait for the end of a long one.
    """

    def __init__(self, engine: ForwardPass) -> None:
        self._engine: ForwardPass | None = engine
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._tickets: list[Ticket[Any]] = []
        self._calls: deque[_Call] = deque()
        self._thread: threading.Thread | None = None
        self._pace = Pace()
        self._closed: Callable[[], BaseException] | None = None

    def add(
        self, work: Work[T], *, cancel: threading.Event | None = None, eager: bool = False
    ) -> Ticket[T]:
        """Have `work` done. Raises what the scheduler was closed with.

        `cancel` may be set by any thread, also in a signal handler, and ends the work before its
        next pass. `eager`: see `Ticket.hurry`.
        """
        ticket = Ticket(self, work, cancel or threading.Event(), eager=eager)
        with self._lock:
            if self._closed is not None:
                raise self._closed()
            self._tickets.append(ticket)
            try:
                self._look()
            except BaseException:
                self._tickets.remove(ticket)
                raise
        return ticket

    def call(self, function: Callable[[], T]) -> T:
        """What `function` returns or raises, called between two passes."""
        if threading.current_thread() is self._thread:
            return function()
        call = _Call(function)
        with self._lock:
            if self._closed is not None:
                raise self._closed()
            self._calls.append(call)
            try:
                self._look()
            except BaseException:
                self._calls.remove(call)
                raise
        result: T = call.wait()
        return result

    def close(self, error: Callable[[], BaseException]) -> None:
        """End all work with what `error` makes, once the pass in progress has ended.

        From now on everything raises that. The thread itself ends the work, so that it is ended
        also where whoever closes is interrupted.
        """
        with self._lock:
            self._closed = error
            self._wake.notify()
            thread = self._thread
        if thread is threading.current_thread():
            return  # a finalizer; the loop finds out
        if thread is not None and thread.is_alive():
            thread.join()
        self._end_all(error)

    def _look(self) -> None:
        """Have the thread look what there is to do; the lock is held."""
        if self._thread is not None and self._thread.is_alive():  # after a fork it is not
            self._wake.notify()
            return
        self._thread = thread = threading.Thread(target=self._loop, name="pestle-scheduler")
        try:
            thread.start()
        except BaseException:
            self._thread = None  # if it did start after all, it sees that
            raise

    def _loop(self) -> None:
        lingered = False
        while True:
            with self._lock:
                if self._thread is not threading.current_thread():
                    return
                watchers, ready = self._drop_cancelled(), self._ready()
                closed = self._closed
                if closed is None and not (ready or self._calls or watchers):
                    if lingered:
                        self._thread = None
                        return
                    lingered = not self._wake.wait(_LINGER)
                    continue
                lingered = False
                engine, calls = self._engine, self._calls
                self._calls = deque()
                if closed is None:
                    for ticket in ready:
                        ticket._stepping = True
                else:
                    self._calls, self._thread = calls, None
            _call_all(watchers)
            if closed is not None:
                self._end_all(closed)
                return
            for call in calls:
                call.run()
            self._step(engine, ready)

    def _step(self, engine: ForwardPass | None, ready: list[Ticket[Any]]) -> None:
        """Make a pass for what is ready. Whatever goes wrong, nobody waits for it for ever."""
        if not ready or engine is None:
            return
        try:
            outcomes = _Pass(engine, self._pace, ready).run()
        except BaseException as error:  # a defect of ours
            outcomes = [(ticket, error) for ticket in ready]
        self._finish(outcomes)

    def _ready(self) -> list[Ticket[Any]]:
        """The tickets whose work can go on; the lock is held."""
        # While the interpreter ends, it waits for this thread, which works for who still waits.
        ending = not threading.main_thread().is_alive()
        return [t for t in self._tickets if t._wants() and (not ending or t._is_waited_for())]

    def _drop_cancelled(self) -> list[Callable[[], None]]:
        """Let go of what nobody wants any more; whom to tell of it. The lock is held."""
        watchers: list[Callable[[], None]] = []
        for ticket in [t for t in self._tickets if t._cancel.is_set() and not t._stepping]:
            self._tickets.remove(ticket)
            ticket._release()
            watchers += ticket._notify()
        return watchers

    def _finish(self, outcomes: list[Outcome]) -> None:
        """Hand over what came of a pass, all at once: who is woken wants the interpreter too."""
        watchers: list[Callable[[], None]] = []
        over: list[Ticket[Any]] = []
        with self._lock:
            for ticket, taken in outcomes:
                ticket._stepping = False
                if ticket._ended:  # closed meanwhile
                    watchers += ticket._notify()
                    continue
                if isinstance(taken, BaseException):
                    # The frames that it came through hold the engine.
                    traceback.clear_frames(taken.__traceback__)
                    ticket._error = taken
                elif taken is not None:
                    ticket._results.extend(taken.results)
                ticket._ended = isinstance(taken, BaseException) or (
                    taken is not None and taken.ended
                )
                if taken is not None and ticket in self._tickets:
                    self._tickets.remove(ticket)
                    if not ticket._ended:
                        self._tickets.append(ticket)  # served: others first
                if ticket._ended:
                    over.append(ticket)
                watchers += ticket._notify()
        for ticket in over:
            ticket._release()
        _call_all(watchers)

    def _end_all(self, error: Callable[[], BaseException]) -> None:
        with self._lock:
            self._engine = None
            calls, self._calls = self._calls, deque()
            tickets, self._tickets = self._tickets, []
            for ticket in tickets:
                ticket._results.clear()
        for call in calls:
            call.fail(error())
        self._finish([(ticket, error()) for ticket in tickets])


def patience() -> float | None:
    """How long to wait before looking again: the main thread looks for Ctrl-C in between.

    Not every system wakes it from a wait for that: Windows does not, nor does a signal that the
    system hands to another thread.
    """
    return _PATIENCE if threading.current_thread() is threading.main_thread() else None


def _call_all(functions: list[Callable[[], None]]) -> None:
    for function in functions:
        with contextlib.suppress(Exception):  # whoever wanted to be told may be gone
            function()


class _Pass:
    """One forward pass for several pieces of work."""

    def __init__(
        self,
        engine: ForwardPass,
        pace: Pace,
        ready: list[Ticket[Any]],
    ) -> None:
        self._engine = engine
        self._pace = pace
        self._ready = ready
        self._outcomes: list[Outcome] = []

    def run(self) -> list[Outcome]:
        """Make it. Every ticket has an outcome: results, an error, or None: it had no part."""
        ready = [ticket for ticket in self._ready if self._begin(ticket)]
        deciding = [t for t in ready if not t.work.reading]
        reading = [t for t in ready if t.work.reading]
        batch: list[tuple[Ticket[Any], Rows]] = []
        room = self._engine.chunk
        alone = len(ready) == 1
        for ticket in deciding:
            room -= self._ask(batch, ticket, room, alone)
        piece = min(room, self._pace.piece(answering=bool(batch)))
        for ticket in reading:
            first = ticket is reading[0]
            piece -= self._ask(batch, ticket, piece if first or piece >= _LEAST_ROWS else 0, alone)
        self._make(batch)
        return self._outcomes

    def _begin(self, ticket: Ticket[Any]) -> bool:
        if ticket._begun:
            return True
        ticket._begun = True
        try:
            ticket.work.begin()
        except BaseException as error:  # whoever waits for it raises it
            self._outcomes.append((ticket, error))
            return False
        return True

    def _ask(
        self, batch: list[tuple[Ticket[Any], Rows]], ticket: Ticket[Any], most: int, alone: bool
    ) -> int:
        """Ask for the rows of one; how many it takes of the room."""
        if most <= 0:
            self._outcomes.append((ticket, None))
            return 0
        try:
            rows = ticket.work.rows(most, alone=alone)
        except BaseException as error:  # as above
            self._outcomes.append((ticket, error))
            return 0
        batch.append((ticket, rows))
        return len(rows.tokens)

    def _make(self, batch: list[tuple[Ticket[Any], Rows]]) -> None:
        if not batch:
            return
        began = time.perf_counter()
        try:
            self._engine.step([(r.sequence, r.tokens, r.logits) for _, r in batch])
        except BaseException as error:
            self._make_apart(batch, error)
            return
        seconds = time.perf_counter() - began
        reads = any(ticket.work.reading for ticket, _ in batch)
        self._pace.learn(sum(len(r.tokens) for _, r in batch), seconds, reads=reads)
        choices: list[Choice] = []
        of: list[tuple[Ticket[Any], int, int | None]] = []
        row = 0
        for ticket, rows in batch:
            try:
                choice = ticket.work.choice(row)
            except BaseException as error:
                self._outcomes.append((ticket, error))
            else:
                of.append((ticket, row, None if choice is None else len(choices)))
                if choice is not None:
                    choices.append(choice)
            row += {"none": 0, "last": 1, "all": len(rows.tokens)}[rows.logits]
        try:
            chosen: Sequence[Sequence[Sampled] | BaseException] = (
                self._engine.choose(choices) if choices else []
            )
        except BaseException as error:
            chosen = [error] * len(choices)
        for ticket, first, index in of:
            self._take(ticket, first, [] if index is None else chosen[index], seconds)

    def _take(
        self,
        ticket: Ticket[Any],
        row: int,
        chosen: Sequence[Sampled] | BaseException,
        seconds: float,
    ) -> None:
        if isinstance(chosen, BaseException):
            self._outcomes.append((ticket, chosen))
            return
        try:
            taken = ticket.work.take(row, chosen, seconds)
        except BaseException as error:
            self._outcomes.append((ticket, error))
        else:
            self._outcomes.append((ticket, taken))

    def _make_apart(self, batch: list[tuple[Ticket[Any], Rows]], error: BaseException) -> None:
        """A pass failed, and nothing has changed by it: find out whose rows it was."""
        if len(batch) > 1:
            for each in batch:
                self._make([each])
            return
        ((ticket, _),) = batch
        try:
            spared = isinstance(error, MemoryLimitError) and ticket.work.spare()
        except BaseException as another:
            error, spared = another, False
        if spared:
            again: list[tuple[Ticket[Any], Rows]] = []
            self._ask(again, ticket, self._engine.chunk, True)
            self._make(again)
        else:
            self._outcomes.append((ticket, error))
