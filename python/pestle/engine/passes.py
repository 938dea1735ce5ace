"""One forward pass for several pieces of work."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pestle.engine.pace import Pace
from pestle.engine.ticket import Outcome, Ticket
from pestle.engine.work import Rows, Taken
from pestle.errors import InterruptionError, MemoryLimitError

if TYPE_CHECKING:
    from pestle.engine.loaded import Choice, ForwardPass, Sampled

_LEAST_ROWS = 16  # of a further prompt in a pass

Batch = list[tuple[Ticket[Any], Rows]]


class Served(NamedTuple):
    """What a pass did for a ticket."""

    ticket: Ticket[Any]
    read: int  # tokens of a text that was there already
    written: int  # tokens that were chosen


class Pass:
    """One forward pass for several pieces of work.

    Every ticket has an outcome afterwards: results, an error, or None: it had no part. `served`
    says what was done for each, `set_aside` which had to let go of their memory, be they of this
    pass or not.
    """

    def __init__(
        self,
        engine: ForwardPass,
        pace: Pace,
        answering: Sequence[Ticket[Any]],
        reading: Sequence[Ticket[Any]],
        victim: Callable[[list[Ticket[Any]], list[Ticket[Any]]], Ticket[Any] | None],
    ) -> None:
        """`answering` have a row each, as far as there is room; then `reading` share a piece, in
        this order. `victim` says which ticket lets go of its memory for those that it is given
        first; none of the others that it is given, which are over.
        """
        self.outcomes: list[Outcome] = []
        self.served: list[Served] = []
        self.set_aside: list[Ticket[Any]] = []
        self.seconds = 0.0
        self._engine = engine
        self._pace = pace
        self._answering = answering
        self._reading = reading
        self._victim = victim

    def run(self) -> None:
        """Make it."""
        batch: Batch = []
        room = self._engine.chunk
        alone = len(self._answering) + len(self._reading) == 1
        for ticket in self._answering:
            room -= self._ask(batch, ticket, room, alone)
        piece = min(room, self._pace.piece(answering=bool(batch)))
        for i, ticket in enumerate(self._reading):
            piece -= self._ask(batch, ticket, 0 if i > 0 and piece < _LEAST_ROWS else piece, alone)
        self._make(batch)

    def _ask(self, batch: Batch, ticket: Ticket[Any], most: int, alone: bool) -> int:
        """Ask for the rows of one; how many it takes of the room."""
        if most <= 0:
            self.outcomes.append((ticket, None))
            return 0
        try:
            rows = ticket.work.rows(most, alone=alone)
        except BaseException as error:  # whoever waits for it raises it
            self.outcomes.append((ticket, error))
            return 0
        batch.append((ticket, rows))
        return len(rows.tokens)

    def _make(self, batch: Batch) -> None:
        while batch:
            began = time.perf_counter()
            try:
                self._engine.step([(r.sequence, r.tokens, r.logits) for _, r in batch])
            except MemoryLimitError as error:
                if not self._make_room(batch, error):
                    return
                continue
            except InterruptionError:  # whoever is not cancelled is in the next one
                self.outcomes += [(ticket, None) for ticket, _ in batch]
                return
            except BaseException as error:
                self._make_apart(batch, error)
                return
            seconds = time.perf_counter() - began
            self.seconds += seconds
            self._take_all(batch, seconds)
            return

    def _make_room(self, batch: Batch, error: MemoryLimitError) -> bool:
        """The pass failed for want of memory, and nothing has changed by it; whether to try again.

        Kept texts have given way already. Of what is left of `batch`, the oldest stays.
        """
        for i, (ticket, rows) in enumerate(batch):
            again: Batch = []
            try:
                if ticket.work.spare():
                    self._ask(again, ticket, len(rows.tokens), len(batch) == 1)
                    batch[i : i + 1] = again
                    return True
            except BaseException as another:  # as above
                self.outcomes.append((ticket, another))
                del batch[i]
                return True
        over = [ticket for ticket, outcome in self.outcomes if _is_over(outcome)]
        victim = self._victim([ticket for ticket, _ in batch], over)
        if victim is None:
            self.outcomes += [(ticket, error) for ticket, _ in batch]
            return False
        batch[:] = [each for each in batch if each[0] is not victim]
        try:
            victim.work.set_aside()
        except BaseException as another:  # as above
            self.outcomes.append((victim, another))
        else:
            self.outcomes.append((victim, None))
            self.set_aside.append(victim)
        return True

    def _make_apart(self, batch: Batch, error: BaseException) -> None:
        """A pass failed, and nothing has changed by it: find out whose rows it was."""
        if len(batch) == 1:
            self.outcomes.append((batch[0][0], error))
            return
        for each in batch:
            self._make([each])

    def _take_all(self, batch: Batch, seconds: float) -> None:
        """Have all go on from a pass that was made."""
        reads = any(ticket.work.reading for ticket, _ in batch)
        self._pace.learn(sum(len(r.tokens) for _, r in batch), seconds, reads=reads)
        choices: list[Choice] = []
        of: list[tuple[Ticket[Any], int, int | None, int]] = []
        row = 0
        for ticket, rows in batch:
            read = len(rows.tokens) if ticket.work.reading else 0
            try:
                choice = ticket.work.choice(row)
            except BaseException as error:
                self.outcomes.append((ticket, error))
            else:
                of.append((ticket, row, None if choice is None else len(choices), read))
                if choice is not None:
                    choices.append(choice)
            row += rows.n_logits
        try:
            chosen: Sequence[Sequence[Sampled] | BaseException] = (
                self._engine.choose(choices) if choices else []
            )
        except BaseException as error:
            chosen = [error] * len(choices)
        for ticket, first, index, read in of:
            self._take(ticket, first, [] if index is None else chosen[index], seconds, read)

    def _take(
        self,
        ticket: Ticket[Any],
        row: int,
        chosen: Sequence[Sampled] | BaseException,
        seconds: float,
        read: int,
    ) -> None:
        if isinstance(chosen, BaseException):
            self.outcomes.append((ticket, chosen))
            return
        try:
            taken = ticket.work.take(row, chosen, seconds)
        except BaseException as error:
            self.outcomes.append((ticket, error))
        else:
            self.outcomes.append((ticket, taken))
            self.served.append(Served(ticket, read, len(chosen)))


def _is_over(outcome: Taken[Any] | BaseException | None) -> bool:
    return isinstance(outcome, BaseException) or (outcome is not None and outcome.ended)
