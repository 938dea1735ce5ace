"""The one loop that steps: it takes what all work in progress wants next into one forward pass.

Whoever wants something computed adds a piece of work and takes what comes of it from a `Ticket`.
A thread of the scheduler's own makes the passes. It is there while there is work, and is the only
one that touches the engine and its sequences; so nothing else needs a lock around them. That it is
not the main thread also means that no Ctrl-C can end a pass half done.
"""

from __future__ import annotations

import threading
import traceback
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from pestle.engine.pace import Pace
from pestle.engine.passes import Pass
from pestle.engine.ticket import Call, Outcome, Ticket, call_all, patience
from pestle.engine.work import Work

if TYPE_CHECKING:
    from pestle.engine.loaded import ForwardPass

T = TypeVar("T")

_LINGER = 0.05  # seconds that the thread waits for more work before it ends


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
        self._calls: deque[Call] = deque()
        self._thread: threading.Thread | None = None
        self._left = threading.Event()  # the thread has left; made anew with each
        self._pace = Pace()
        self._closed: Callable[[], BaseException] | None = None

    def add(
        self,
        work: Work[T],
        *,
        cancel: threading.Event | None = None,
        eager: bool = False,
        client: str = "",
    ) -> Ticket[T]:
        """Have `work` done. Raises what the scheduler was closed with.

        `cancel` may be set by any thread, also in a signal handler, and ends the work before its
        next pass. `eager`: see `Ticket.hurry`. `client` is whom it is for: any name, by
        which the time of the engine is shared out fairly.
        """
        ticket = Ticket(self, work, cancel or threading.Event(), eager=eager, client=client)
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
        call = Call(function)
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
            thread, left = self._thread, self._left
        if thread is threading.current_thread():
            return  # a finalizer; the loop finds out
        if thread is not None and thread.is_alive():
            # Not `join`: CPython before 3.13 takes a thread whose join was interrupted for ended,
            # so the interpreter would end under it.
            while not left.wait(patience()):
                pass
        self._end_all(error)

    def _look(self) -> None:
        """Have the thread look what there is to do; the lock is held."""
        if self._thread is not None and self._thread.is_alive():  # after a fork it is not
            self._wake.notify()
            return
        self._left = left = threading.Event()
        self._thread = thread = threading.Thread(
            target=self._run, args=(left,), name="pestle-scheduler"
        )
        try:
            thread.start()
        except BaseException:
            self._thread = None  # if it did start after all, it sees that
            raise

    def _run(self, left: threading.Event) -> None:
        try:
            self._loop()
        finally:
            left.set()

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
            call_all(watchers)
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
            outcomes = Pass(engine, self._pace, ready).run()
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
        call_all(watchers)

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
