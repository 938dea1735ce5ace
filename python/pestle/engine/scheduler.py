"""The one loop that steps: it takes what all work in progress wants next into one forward pass.

Whoever wants something computed adds a piece of work and takes what comes of it from a `Ticket`.
A thread of the scheduler's own makes the passes. It is there while there is work, and is the only
one that touches the engine and its sequences; so nothing else needs a lock around them. That it is
not the main thread also means that no Ctrl-C can end a pass half done. Where one may take long, the
engine is told to give it up once all that it is for has been cancelled.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pestle.engine.activity import Activity, Tally
from pestle.engine.admission import Admission, check_fits
from pestle.engine.line import RETRY_S, Line
from pestle.engine.pace import Pace
from pestle.engine.passes import Pass
from pestle.engine.ticket import AHEAD, Call, Outcome, Ticket, call_all, patience
from pestle.engine.work import Work

if TYPE_CHECKING:
    from pestle.engine.loaded import ForwardPass

T = TypeVar("T")

_LINGER = 0.05  # seconds that the thread waits for more work before it ends


class Scheduler:
    """All work on one engine.

    Work begins when there is memory for its text; until then it waits. Each pass has one row, or a
    few drafted ones, for every answer that is being written; then a piece of the prompts that are
    being read, so long that the answers wait little for it. Where memory runs short, the youngest
    work is set aside and taken up again later.
    """

    def __init__(
        self, engine: ForwardPass, pace: Pace | None = None, *, gives_up: bool = False
    ) -> None:
        """`gives_up`: a pass may take long, and is not made to its end where nobody wants it."""
        self.tally = Tally()
        self._engine: ForwardPass | None = engine
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._line = Line()
        self._numbers = itertools.count()
        self._busy_since: float | None = None  # there is work, and no pass has ended since
        self._calls: deque[Call] = deque()
        self._later: deque[Callable[[], object]] = deque()
        self._thread: threading.Thread | None = None
        self._left = threading.Event()  # the thread has left; made anew with each
        self._pace = pace or Pace()
        self._closed: Callable[[], BaseException] | None = None
        self._gives_up = gives_up
        self._passing: tuple[Ticket[Any], ...] = ()  # those that the pass in progress is for

    def add(
        self,
        work: Work[T],
        *,
        cancel: threading.Event | None = None,
        eager: bool = False,
        client: str = "",
        ahead: int = AHEAD,
    ) -> Ticket[T]:
        """Have `work` done. Raises what the scheduler was closed with.

        MemoryLimitError: there can never be memory for it. `cancel` may be set by any thread, also
        in a signal handler, and ends the work before its next pass. `eager`: see `Ticket.hurry`.
        `client` is whom it is for: any name, by which the time of the engine is shared out fairly.
        `ahead`: results that may wait to be taken before the work sits passes out.
        """
        ticket = Ticket(
            self, work, cancel or threading.Event(), eager=eager, client=client, ahead=ahead
        )
        with self._lock:
            if self._closed is not None:
                raise self._closed()
            if self._engine is not None:
                check_fits(self._engine, work.n_tokens)
            self._line.join(ticket)
            try:
                self._look()
            except BaseException:
                self._line.remove(ticket)
                raise
        return ticket

    def activity(self) -> Activity:
        """What it does and did. Any thread may ask; no pass is waited for."""
        tally = self.tally
        with self._lock:
            engine, busy = self._engine, self._busy_since
            return Activity(
                running=len(self._line.running),
                waiting=len(self._line.waiting),
                preemptions=tally.preemptions,
                prompt_tokens=tally.prompt_tokens,
                generated_tokens=tally.generated_tokens,
                prefix_queries=tally.prefix_queries,
                prefix_hits=tally.prefix_hits,
                kv_used=0 if engine is None else engine.kv_used,
                kv_limit=0 if engine is None else engine.kv_limit,
                passes=tally.passes,
                pass_s=tally.pass_s,
                stuck_s=0.0 if busy is None else time.monotonic() - busy,
            )

    @property
    def parallel(self) -> int:
        """The most pieces of work that have begun at a time; 0: as many as memory allows."""
        return self._line.parallel

    @parallel.setter
    def parallel(self, most: int) -> None:
        with self._lock:
            self._line.parallel = most

    @property
    def idle(self) -> bool:
        """Whether there is no work, not even such as nobody takes the results of."""
        with self._lock:
            return not self._line.running and not self._line.waiting

    def later(self, function: Callable[[], object]) -> None:
        """Have `function` called between two passes. Never waits, wherever it is called."""
        self._later.append(function)
        if self._lock.acquire(blocking=False):
            try:
                # RuntimeError: the interpreter ends, and begins no thread any more.
                with contextlib.suppress(RuntimeError):
                    if self._closed is None:
                        self._look()
            finally:
                self._lock.release()

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

    def give_up(self) -> None:
        """Have the pass in progress end early, if all that it is for has been cancelled.

        Never waits, and needs no lock: a signal handler may call it. Where a pass has begun for
        others meanwhile, that one is made again.
        """
        passing, engine = self._passing, self._engine
        if not self._gives_up or not passing or engine is None:
            return
        if all(ticket._cancel.is_set() for ticket in passing):
            engine.interrupt()

    def close(self, error: Callable[[], BaseException]) -> None:
        """End all work with what `error` makes, once the pass in progress has ended.

        From now on everything raises that. The thread itself ends the work, so that it is ended
        also where whoever closes is interrupted.
        """
        with self._lock:
            self._closed = error
            self._wake.notify()
            thread, left = self._thread, self._left
            engine = self._engine
        if self._gives_up and self._passing and engine is not None:
            engine.interrupt()
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
                now = time.monotonic()
                watchers, ready = self._line.drop_cancelled(), self._line.ready()
                queued = self._line.next(now)
                closed = self._closed
                if closed is None and not (
                    ready or queued or self._calls or self._later or watchers
                ):
                    self._busy_since = None
                    if self._line.any_waits():
                        self._wake.wait(RETRY_S)
                        continue
                    if lingered:
                        self._thread = None
                        return
                    lingered = not self._wake.wait(_LINGER)
                    continue
                lingered = False
                engine, calls = self._engine, self._calls
                self._calls = deque()
                if closed is None:
                    for ticket in (*ready, *queued):
                        ticket._stepping = True
                    if ready or queued:
                        self._busy_since = self._busy_since or now
                else:
                    self._calls, self._thread = calls, None
            call_all(watchers)
            if closed is not None:
                self._end_all(closed)
                return
            for call in calls:
                call.run()
            call_all([self._later.popleft() for _ in range(len(self._later))])
            if engine is not None and (ready or queued):
                self._step(engine, ready, queued)

    def _step(
        self, engine: ForwardPass, ready: list[Ticket[Any]], queued: list[Ticket[Any]]
    ) -> None:
        """Begin what can begin, and make a pass. Whatever goes wrong, nobody waits for ever."""
        outcomes: list[Outcome] = []
        try:
            begun = self._begin(engine, queued, outcomes)
            self._passing = (*ready, *begun)
            self._pass(engine, ready + begun, outcomes)
        except BaseException as error:  # a defect of ours
            outcomes = [(ticket, error) for ticket in (*ready, *queued)]
        finally:
            self._passing = ()
        told = {id(ticket) for ticket, _ in outcomes}
        idle: list[Outcome] = [(t, None) for t in (*ready, *queued) if id(t) not in told]
        self._finish(outcomes + idle)

    def _begin(
        self, engine: ForwardPass, queued: list[Ticket[Any]], outcomes: list[Outcome]
    ) -> list[Ticket[Any]]:
        """Begin of `queued`, in this order, what there is memory for."""
        admission = Admission(engine, self._line.running)
        begun: list[Ticket[Any]] = []
        for ticket in queued:
            try:
                while not (fits := self._line.has_place() and admission.admit(ticket)):
                    stalled = self._victim([ticket], stalled=True)
                    if stalled is None:
                        break
                    self._set_aside(stalled, outcomes)
                    admission = Admission(engine, self._line.running)
            except BaseException as error:  # whoever waits for it raises it
                outcomes.append((ticket, error))
                continue
            if not fits:
                self._line.put_off()
                break
            begun.append(ticket)
            with self._lock:
                self._line.begin(ticket)
        return begun

    def _pass(self, engine: ForwardPass, ready: list[Ticket[Any]], outcomes: list[Outcome]) -> None:
        """Make a pass for what is ready."""
        answering = [ticket for ticket in ready if not ticket.work.reading]
        reading = [ticket for ticket in ready if ticket.work.reading]
        if len(reading) > 1:
            reading = self._line.in_order(reading, time.monotonic())
        made = Pass(engine, self._pace, answering, reading, self._victim)
        made.run()
        outcomes += made.outcomes
        tally, now = self.tally, time.monotonic()
        for served in made.served:
            self._line.note(served, now)
            tally.prompt_tokens += served.read
            tally.generated_tokens += served.written
            if served.ticket.work.waiting:
                served.ticket.work.call_when_ready(self._look_again)
        for ticket in made.set_aside:
            self._note_set_aside(ticket)
        if made.served:
            tally.passes += 1
            tally.pass_s = made.seconds
            self._busy_since = None

    def _victim(
        self,
        wanting: list[Ticket[Any]],
        over: Sequence[Ticket[Any]] = (),
        *,
        stalled: bool = False,
    ) -> Ticket[Any] | None:
        """Which work lets go of its memory: see `Line.victim`."""
        with self._lock:
            return self._line.victim(wanting, over, stalled=stalled)

    def _set_aside(self, ticket: Ticket[Any], outcomes: list[Outcome]) -> None:
        try:
            ticket.work.set_aside()
        except BaseException as error:  # whoever waits for it raises it
            outcomes.append((ticket, error))
        else:
            outcomes.append((ticket, None))
        self._note_set_aside(ticket)

    def _note_set_aside(self, ticket: Ticket[Any]) -> None:
        self.tally.preemptions += 1
        with self._lock:
            self._line.set_aside(ticket)

    def _look_again(self) -> None:
        """Something that work was waiting for is there."""
        with self._lock, contextlib.suppress(RuntimeError):  # as in `later`
            if self._closed is None:
                self._look()

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
                if ticket._ended:
                    self._line.remove(ticket)
                    over.append(ticket)
                elif taken is not None:
                    self._line.requeue(ticket)
                watchers += ticket._notify()
        for ticket in over:
            ticket._release()
        call_all(watchers)

    def _end_all(self, error: Callable[[], BaseException]) -> None:
        with self._lock:
            self._engine = None
            calls, self._calls = self._calls, deque()
            tickets = self._line.clear()
            for ticket in tickets:
                ticket._results.clear()
        for call in calls:
            call.fail(error())
        self._finish([(ticket, error()) for ticket in tickets])
        self._later.clear()  # what it would be done with is gone
