"""What the scheduler is given to do: work that is asked for rows and handed what came of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeVar

if TYPE_CHECKING:
    from pestle.engine.loaded import Choice, Pooler, Sampled
    from pestle.engine.sequence import KvSequence

T = TypeVar("T")


class Rows(NamedTuple):
    """What a piece of work wants of the next pass: tokens to append, and which logits."""

    sequence: KvSequence
    tokens: list[int]
    logits: str | Pooler  # "none", "last" or "all", of these tokens; or what takes their states

    @property
    def n_logits(self) -> int:
        """How many rows of logits come of them."""
        if self.logits == "all":
            return len(self.tokens)
        return 1 if self.logits == "last" else 0


@dataclass(frozen=True)
class Taken(Generic[T]):  # a NamedTuple cannot be generic before Python 3.11
    """What came of a pass for a piece of work."""

    results: list[T]
    ended: bool


class Work(Protocol[T]):
    """Something that needs passes, one after the other, until it ends.

    Only the scheduler's thread calls it, in this order: `begin`, then for each pass `rows`,
    `choice` and `take`. Between two passes, or after `rows` whose pass was not made, it may have to
    `set_aside` what it holds, and begins anew. What any of them raises ends the work, and the
    ticket raises it.
    """

    @property
    def n_tokens(self) -> int:
        """How many tokens it holds, at least, before it gives its next result. Any thread asks."""

    @property
    def remaining(self) -> int:
        """How many of them are still to be read, as far as is known."""

    @property
    def kv(self) -> KvSequence:
        """Its sequence, once it has begun."""

    @property
    def waiting(self) -> bool:
        """Whether it waits for something that is computed elsewhere; no pass can help it."""

    @property
    def reading(self) -> bool:
        """Whether it reads a text that is there already, in pieces of any length."""

    def begin(self) -> None:
        """Find what is there of its text already; ready for a pass then."""

    def set_aside(self) -> None:
        """Let go of all keys and values, but for what is kept of any text."""

    def call_when_ready(self, callback: Callable[[], None]) -> None:
        """Have `callback` called, in any thread, once it is not `waiting` any more."""

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

    def leave(self) -> None:
        """Let go of keys and values that nobody goes on with, between two passes after the end."""

    def close(self) -> None:
        """Let go of what it has of its own: it has ended, or nobody wants it any more."""
