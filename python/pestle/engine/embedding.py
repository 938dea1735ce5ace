"""Vectors of texts: what a model's last layer leaves of each, pooled."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pestle._core import KV_PAGE_TOKENS
from pestle.engine.loaded import Choice, Sampled
from pestle.engine.runtime import Runtime
from pestle.engine.sequence import HeldSequence, KvSequence
from pestle.engine.ticket import Ticket
from pestle.engine.waking import changed, settled
from pestle.engine.work import Rows, Taken

if TYPE_CHECKING:
    from numpy import float32
    from numpy.typing import NDArray

    Begun = tuple[Ticket[NDArray[float32]], int]  # and how much it takes of the room

_POSITIONS = 2048  # of keys and values that texts in progress may take, but for a longer one


@dataclass(frozen=True)
class EmbeddingRequest:
    """Texts, and what their vectors shall be: see `LLM.embed`."""

    texts: Sequence[list[int]]
    pooling: str
    dimensions: int
    normalize: bool
    notes: tuple[str, ...] = ()  # what was replaced in the texts

    @property
    def n_tokens(self) -> int:
        """Of all texts."""
        return sum(map(len, self.texts))


class EmbeddingRun:
    """The vectors of a request, not begun.

    Several texts are read at once, in passes that they share with all other work.
    """

    def __init__(self, runtime: Runtime, request: EmbeddingRequest, client: str = "") -> None:
        """`client` is whom it is for: see `Scheduler.add`."""
        self._runtime = runtime
        self._request = request
        self._client = client

    def result(self) -> NDArray[float32]:
        """(n_texts, dimensions), once all are there. Raises Error."""
        vectors = self._empty()
        with closing(self._tickets(deque())) as tickets:
            for n, ticket in enumerate(tickets):
                vectors[n] = _taken(ticket)
        return vectors

    async def aresult(self) -> NDArray[float32]:
        """The same for asyncio. Cancelling ends what is left, once the pass in progress has."""
        vectors = self._empty()
        begun: deque[Begun] = deque()
        try:
            with closing(self._tickets(begun)) as tickets:
                for n, ticket in enumerate(tickets):
                    while not ticket.ready:
                        await changed(ticket.watch)
                    vectors[n] = _taken(ticket)
        finally:
            for ticket, _ in begun:
                await settled(ticket)
        return vectors

    def _empty(self) -> NDArray[float32]:
        import numpy as np

        return np.empty((len(self._request.texts), self._request.dimensions), np.float32)

    def _tickets(self, begun: deque[Begun]) -> Generator[Ticket[NDArray[float32]], None, None]:
        """Those of the texts, in their order. Each is over when the next one is asked for.

        `begun` has those that are not over.
        """
        room = _POSITIONS
        try:
            for text in self._request.texts:
                size = -(-len(text) // KV_PAGE_TOKENS) * KV_PAGE_TOKENS
                while begun and room < size:
                    yield begun[0][0]
                    room += begun.popleft()[1]
                work = _Embedding(self._runtime, text, self._request)
                begun.append((self._runtime.scheduler.add(work, client=self._client), size))
                room -= size
            while begun:
                yield begun[0][0]
                begun.popleft()
        finally:
            for ticket, _ in begun:
                ticket.cancel()


def _taken(ticket: Ticket[NDArray[float32]]) -> NDArray[float32]:
    vector = ticket.next()
    assert vector is not None, "only the end of a run cancels its tickets"
    return vector


class _Embedding:
    """Reads one text in pieces. A `work.Work`."""

    reading = True

    def __init__(self, runtime: Runtime, tokens: list[int], request: EmbeddingRequest) -> None:
        self._runtime = runtime
        self._tokens = tokens
        self._request = request
        self._at = self._end = 0
        self._sequence: HeldSequence | None = None

    waiting = False

    @property
    def n_tokens(self) -> int:
        """Those of the text."""
        return len(self._tokens)

    @property
    def remaining(self) -> int:
        """Those that were not read."""
        return len(self._tokens) - self._at

    @property
    def kv(self) -> KvSequence:
        """The sequence that reads it."""
        assert self._sequence is not None, "it has not begun"
        return self._sequence.kv

    def begin(self) -> None:
        """Take a sequence of its own, which nobody finds again: texts for vectors seldom go on."""
        self._at = 0
        self._sequence = self._runtime.new_sequence(remembered=False)
        self._pooler = self._runtime.loaded.engine.pooler(self._request.pooling)

    def set_aside(self) -> None:
        """Keep nothing: it begins anew."""
        self._sequence = None
        self._at = 0

    def call_when_ready(self, callback: Callable[[], None]) -> None:
        """It is never waiting."""
        callback()

    def rows(self, most: int, *, alone: bool) -> Rows:
        """The next piece."""
        self._end = min(self._at + most, len(self._tokens))
        return Rows(self.kv, self._tokens[self._at : self._end], self._pooler)

    def spare(self) -> bool:
        """There is nothing that it could do without."""
        return False

    def choice(self, row: int) -> Choice | None:
        """Nothing is chosen."""
        return None

    def take(self, row: int, chosen: Sequence[Sampled], seconds: float) -> Taken[NDArray[float32]]:
        """Go on with the next piece, or end with the vector."""
        self._at = self._end
        if self._at < len(self._tokens):
            return Taken([], False)
        asked = self._request
        vector = self._pooler.vector(dimensions=asked.dimensions, normalized=asked.normalize)
        return Taken([vector], True)

    def leave(self) -> None:
        """It has nothing any more."""

    def close(self) -> None:
        """Give the keys and values back."""
        self._sequence = None
