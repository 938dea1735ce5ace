"""All work there is: what has begun and holds memory, and what waits in line for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from pestle.engine.order import Shares, in_order, to_set_aside
from pestle.engine.passes import Served
from pestle.engine.ticket import Ticket

RETRY_S = 0.05
"""Seconds after which what could not begin is looked at again."""


class Line:
    """Which work goes on, which begins next, and which lets go of its memory.

    Whoever changes it holds the scheduler's lock, and whoever asks, but for the scheduler's thread.
    """

    def __init__(self) -> None:
        self.parallel = 0  # the most that may have begun at a time; 0: any number
        self.running: list[Ticket[Any]] = []  # those served last are the last
        self.waiting: list[Ticket[Any]] = []  # by arrival; what was set aside is before the others
        self._shares = Shares()
        self._clients_changed = True
        self._retry = 0.0  # when to look again whether one more can begin

    def join(self, ticket: Ticket[Any]) -> None:
        """It waits from now on."""
        self.waiting.append(ticket)
        self._clients_changed = True

    def ready(self) -> list[Ticket[Any]]:
        """Of what has begun, what can go on."""
        return [t for t in self.running if t._wants() and _counts(t) and not t.work.waiting]

    def any_waits(self) -> bool:
        """Whether there is work that waits to begin."""
        return any(ticket._wants() and _counts(ticket) for ticket in self.waiting)

    def next(self, now: float) -> list[Ticket[Any]]:
        """What is to begin next, in its order, if there is room for it."""
        if not self.waiting or now < self._retry:
            return []
        if self._clients_changed:
            self._shares.join(t.client for tickets in (self.running, self.waiting) for t in tickets)
            self._clients_changed = False
        waiting = [t for t in self.waiting if t._wants() and _counts(t)]
        if not self.has_place():
            stalled = any(ticket._standing(now).stalled for ticket in self.running)
            waiting = waiting if stalled else []
        return self.in_order(waiting, now)

    def in_order(self, tickets: Sequence[Ticket[Any]], now: float) -> list[Ticket[Any]]:
        """These, first to be served first."""
        order = in_order([ticket._standing(now) for ticket in tickets], self._shares, now)
        return [tickets[i] for i in order]

    def has_place(self) -> bool:
        """Whether one more may begin, as far as their number goes."""
        return not self.parallel or len(self.running) < self.parallel

    def put_off(self) -> None:
        """The next one could not begin."""
        self._retry = time.monotonic() + RETRY_S

    def begin(self, ticket: Ticket[Any]) -> None:
        """It has begun."""
        self.waiting.remove(ticket)
        self.running.append(ticket)
        ticket._begun, ticket._set_aside = True, False

    def note(self, served: Served, now: float) -> None:
        """What a pass did for one."""
        ticket = served.ticket
        self._shares.charge(ticket.client, read=served.read, written=served.written)
        ticket._since = now

    def victim(
        self, wanting: Sequence[Ticket[Any]], over: Sequence[Ticket[Any]], *, stalled: bool
    ) -> Ticket[Any] | None:
        """Which lets go of its memory for `wanting`; None if there is no other.

        None of `over`, which ended in the pass that is being made. With `stalled`, only one whose
        results nobody takes.
        """
        now = time.monotonic()
        held = [t for t in self.running if not (t._set_aside or t._ended or t in over)]
        standings = [(ticket, ticket._standing(now)) for ticket in held]
        if stalled:
            standings = [each for each in standings if each[1].stalled]
        oldest = min(ticket.number for ticket in wanting)
        found = to_set_aside([standing for _, standing in standings], oldest)
        if found is None:
            return None
        victim = standings[found][0]
        victim._set_aside = victim._stepping = True  # nobody else lets go of it meanwhile
        return victim

    def set_aside(self, ticket: Ticket[Any]) -> None:
        """It has let go of its memory, and waits before all that has not begun."""
        if ticket in self.running:
            self.running.remove(ticket)
            before = sum(t._set_aside and t.number < ticket.number for t in self.waiting)
            self.waiting.insert(before, ticket)

    def requeue(self, ticket: Ticket[Any]) -> None:
        """It was served: others come first."""
        if ticket in self.running:
            self.running.remove(ticket)
            self.running.append(ticket)

    def remove(self, ticket: Ticket[Any]) -> None:
        """It is over."""
        for tickets in (self.running, self.waiting):
            if ticket in tickets:
                tickets.remove(ticket)
                self._clients_changed = True
                self._retry = 0.0  # there may be room now

    def drop_cancelled(self) -> list[Callable[[], None]]:
        """Let go of what nobody wants any more; whom to tell of it."""
        watchers: list[Callable[[], None]] = []
        everything = self.running + self.waiting
        for ticket in [t for t in everything if t._cancel.is_set() and not t._stepping]:
            self.remove(ticket)
            ticket._release()
            watchers += ticket._notify()
        return watchers

    def clear(self) -> list[Ticket[Any]]:
        """Everything, which is over."""
        tickets = self.running + self.waiting
        self.running, self.waiting = [], []
        return tickets


def _counts(ticket: Ticket[Any]) -> bool:
    """While the interpreter ends, it waits for the scheduler's thread.

    Which then works for those alone who still wait.
    """
    return threading.main_thread().is_alive() or ticket._is_waited_for()
