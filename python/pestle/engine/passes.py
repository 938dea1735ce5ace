"""One forward pass for several pieces of work."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pestle.engine.pace import Pace
from pestle.engine.ticket import Outcome, Ticket
from pestle.engine.work import Rows
from pestle.errors import MemoryLimitError

if TYPE_CHECKING:
    from pestle.engine.loaded import Choice, ForwardPass, Sampled

_LEAST_ROWS = 16  # of a further prompt in a pass


class Pass:
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
            row += rows.n_logits
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
