"""What a model thinks of a text that is there already: log probabilities and logits, by token."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

from pestle.engine.loaded import Choice, Sampled, Scored
from pestle.engine.runtime import Runtime
from pestle.engine.sequence import HeldSequence, KvSequence
from pestle.engine.waking import results
from pestle.engine.work import Rows, Taken, Work
from pestle.results import ScoredToken, TokenLogprob

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

T = TypeVar("T")

_LOGITS_BYTES = 64 << 20  # how much of the logits there is at once


def scores(
    runtime: Runtime, sequence: HeldSequence, tokens: Sequence[int], start: int, top: int
) -> Iterator[ScoredToken]:
    """The scores of `tokens[start:]`, each after all tokens before it; `start` is at least 1.

    What `sequence` holds of the text's beginning is not computed again. The numbers do not depend
    on that, nor on how many are computed at once.
    """
    if start >= len(tokens):
        return
    for each in _results(runtime, _Scores(runtime, sequence, list(tokens), start, top)):
        yield from each


async def ascores(
    runtime: Runtime,
    sequence: HeldSequence,
    tokens: Sequence[int],
    start: int,
    top: int,
    client: str,
) -> list[ScoredToken]:
    """The same for asyncio; `client` is whom it is for. Cancelling ends it before its next pass."""
    if start >= len(tokens):
        return []
    work = _Scores(runtime, sequence, list(tokens), start, top)
    ticket = runtime.scheduler.add(work, client=client)
    return [each async for part in results(ticket) for each in part]


def logits(
    runtime: Runtime, sequence: HeldSequence, tokens: Sequence[int]
) -> Iterator[NDArray[float32]]:
    """The logits after each of the tokens, in parts of (n_tokens, n_vocab)."""
    return _results(runtime, _Logits(runtime, sequence, list(tokens)))


def alogits(
    runtime: Runtime, sequence: HeldSequence, tokens: Sequence[int]
) -> AsyncIterator[NDArray[float32]]:
    """The same for asyncio."""
    return results(runtime.scheduler.add(_Logits(runtime, sequence, list(tokens))))


def _results(runtime: Runtime, work: Work[T]) -> Iterator[T]:
    ticket = runtime.scheduler.add(work)
    try:
        while (result := ticket.next()) is not None:
            yield result
    finally:
        ticket.cancel()


class _RowsOfText(ABC, Generic[T]):
    """Reads a text in pieces and makes something of the logits from one token on.

    A `work.Work`.
    """

    reading = True

    def __init__(
        self, runtime: Runtime, sequence: HeldSequence, tokens: list[int], first: int, stop: int
    ) -> None:
        """The logits of `tokens[first:stop]` are wanted, one at least."""
        self._engine = runtime.loaded.engine
        self._sequence = sequence
        self._tokens = tokens
        self._stop = stop
        self._most = max(1, _LOGITS_BYTES // (4 * runtime.loaded.n_vocab))
        settled = runtime.loaded.settled
        if settled is not None and settled.parallel:  # as many rows as there is memory for
            self._most = min(self._most, settled.parallel)
        self._wanted = first  # the first token whose logits were not used yet
        self._at = self._end = 0

    waiting = False

    @property
    def n_tokens(self) -> int:
        """The text as far as it is read."""
        return self._stop

    @property
    def remaining(self) -> int:
        """Tokens of it that were not read."""
        return self._stop - self._at

    @property
    def kv(self) -> KvSequence:
        """The sequence that reads it."""
        return self._sequence.kv

    def begin(self) -> None:
        """Find what is there of the text already."""
        self._at = self._sequence.rewind(self._engine, self._tokens[: self._wanted + 1]).reused

    def set_aside(self) -> None:
        """Keep only what was made of the logits."""
        self._sequence.let_go(self._engine)
        self._at = 0

    def call_when_ready(self, callback: Callable[[], None]) -> None:
        """It is never waiting."""
        callback()

    def rows(self, most: int, *, alone: bool) -> Rows:
        """The next piece: before the first wanted token without logits."""
        wanted = self._at >= self._wanted
        self._end = self._at + min(most, self._most) if wanted else self._at + most
        self._end = min(self._end, self._stop if wanted else self._wanted)
        piece = self._tokens[self._at : self._end]
        return Rows(self.kv, piece, "all" if wanted else "none")

    def spare(self) -> bool:
        """There is nothing that it could do without."""
        return False

    def choice(self, row: int) -> Choice | None:
        """Nothing is chosen."""
        return None

    def take(self, row: int, chosen: Sequence[Sampled], seconds: float) -> Taken[T]:
        """Make of the piece's logits what is wanted of them."""
        at, self._at = self._at, self._end
        if at < self._wanted:
            return Taken([], False)
        self._wanted = self._at
        return Taken([self._result(row, at, self._end)], self._at == self._stop)

    def leave(self) -> None:
        """The numbers are there, so the memory can go."""
        self._sequence.leave(self._engine)

    def close(self) -> None:
        """It has nothing of its own."""

    @abstractmethod
    def _result(self, row: int, at: int, end: int) -> T:
        """What is made of the logits of `tokens[at:end]`, which begin at `row`."""


class _Scores(_RowsOfText[list[ScoredToken]]):
    def __init__(
        self, runtime: Runtime, sequence: HeldSequence, tokens: list[int], start: int, top: int
    ) -> None:
        super().__init__(runtime, sequence, tokens, start - 1, len(tokens) - 1)
        self._piece = runtime.loaded.token_bytes
        self._top = top

    def _result(self, row: int, at: int, end: int) -> list[ScoredToken]:
        targets = self._tokens[at + 1 : end + 1]
        scored = self._engine.score(row, targets, self._top)
        return [self._scored(*each) for each in zip(targets, scored, strict=True)]

    def _scored(self, token: int, scored: Scored) -> ScoredToken:
        top = tuple(TokenLogprob(t, self._piece(t), logprob) for t, logprob in scored.top)
        return ScoredToken(token, self._piece(token), scored.logprob, scored.greedy, top)


class _Logits(_RowsOfText["NDArray[float32]"]):
    def __init__(self, runtime: Runtime, sequence: HeldSequence, tokens: list[int]) -> None:
        super().__init__(runtime, sequence, tokens, 0, len(tokens))

    def _result(self, row: int, at: int, end: int) -> NDArray[float32]:
        return self._engine.logits()[row : row + end - at]
