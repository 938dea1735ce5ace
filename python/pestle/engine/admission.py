"""When a piece of work may begin: when there is memory left for its text's keys and values.

What is kept of texts that nobody holds counts as free, as it goes first. What texts in progress
have still to read counts as taken.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pestle._core import KV_PAGE_TOKENS
from pestle.engine.ticket import Ticket
from pestle.engine.work import Work
from pestle.errors import MemoryLimitError

if TYPE_CHECKING:
    from pestle.engine.loaded import ForwardPass


def check_fits(engine: ForwardPass, n_tokens: int) -> None:
    """Raise MemoryLimitError where a text of so many tokens can never have memory."""
    if not engine.kv_limit:
        return
    needed = engine.kv_size(n_tokens)
    if needed > engine.kv_limit:
        raise MemoryLimitError(
            f"kv_memory is {engine.kv_limit} bytes, {n_tokens} tokens take {needed} bytes of keys "
            "and values"
        )


class Admission:
    """What there is room for beside `running`, as it is between two passes."""

    def __init__(self, engine: ForwardPass, running: Iterable[Ticket[Any]]) -> None:
        self._limited = engine.kv_limit > 0
        self._empty = True
        self._free = 0
        if self._limited:
            self._free = engine.kv_limit - engine.kv_used + engine.kept_bytes
        for ticket in running:
            self._empty = False
            if self._limited and ticket.work.reading:
                self._free -= _need(ticket.work)

    def admit(self, ticket: Ticket[Any]) -> bool:
        """Begin its work, if there is room for it. Raises what beginning raises.

        Where nothing else runs, there will never be more room.
        """
        if self._limited and not self._empty and ticket._need > self._free:
            return False
        work = ticket.work
        work.begin()
        if self._limited:
            ticket._need = _need(work)
            if ticket._need > self._free and not self._empty:
                work.set_aside()
                return False
            self._free -= ticket._need
        self._empty = False
        return True


def _need(work: Work[Any]) -> int:
    """The bytes that work takes to read the rest of its text, and a page to go on with."""
    return work.kv.growth(work.remaining + KV_PAGE_TOKENS)
