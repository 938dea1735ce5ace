"""Streams: a generation as an iterator of chunks, for threads and for asyncio."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from threading import RLock
from typing import TYPE_CHECKING, Generic

from pestle.engine.run import R, Run
from pestle.engine.waking import changed, settled
from pestle.results import Chunk

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

    from pestle.engine.activity import RunStatus


class Stream(Iterator[Chunk], Generic[R]):
    """An answer while it is being written.

    Iterate to get its chunks. Leaving the `with` block, `close` or dropping the stream ends the
    generation early; so does Ctrl-C. Whatever was read until then stays cached. The next token is
    computed while you look at one; no more is done ahead. Several threads may use one stream: each
    chunk goes to one of them.
    """

    def __init__(self, run: Run[R]) -> None:
        self._run = run
        # Reentrant, so that a signal handler, which runs in the thread it interrupts, does not
        # wait for itself.
        self._turn = RLock()

    def __repr__(self) -> str:
        return f"Stream({self.status().phase})"

    def __next__(self) -> Chunk:
        with self._turn:
            chunk = self._run.next()
        if chunk is None:
            raise StopIteration
        return chunk

    def status(self) -> RunStatus:
        """How far it is: how much of the prompt is read, and whether it answers already.

        Any thread may call this, at any time.
        """
        return self._run.status()

    def cancel(self) -> None:
        """End the generation before its next forward pass; any thread may call this.

        Where experts are streamed, the pass in progress ends early too. The stream then yields one
        last chunk, whose `finish_reason` is "cancelled".
        """
        self._run.stop()

    def close(self) -> None:
        """End the generation, once the forward pass in progress has ended.

        Any thread may call this, and closing twice is allowed. In a signal handler use `cancel`: a
        handler must not wait for what it interrupts.
        """
        self._run.abandon()
        with self._turn:
            self._run.end()
        self._run.settle()

    def result(self) -> R:
        """The finished generation; runs what is left of it, if it was not closed."""
        self._run.hurry()
        for _ in self:
            pass
        return self._run.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):  # of one that was never made
            self._run.end()


class AsyncStream(AsyncIterator[Chunk], Generic[R]):
    """A `Stream` for asyncio. It needs no thread of its own: the model's scheduler wakes the loop.

    Cancelling the task that waits for a chunk ends the generation before its next forward pass,
    and the cancellation returns only when the one in progress has ended: the session can be used
    again at once.
    """

    def __init__(self, run: Run[R]) -> None:
        self._run = run
        self._stream = Stream(run)

    def __repr__(self) -> str:
        return f"Async{self._stream!r}"

    async def __anext__(self) -> Chunk:
        if not self._run.cancel.is_set():
            self._run.begin()
        try:
            while not self._run.ready:
                await changed(self._run.watch)
        except BaseException:  # CancelledError, most of all
            with contextlib.suppress(BaseException):
                await self.aclose()
            raise
        try:
            return next(self._stream)
        except StopIteration:
            raise StopAsyncIteration from None

    def cancel(self) -> None:
        """End the generation before its next forward pass; see `Stream.cancel`."""
        self._stream.cancel()

    async def aclose(self) -> None:
        """End the generation, once the forward pass in progress has ended.

        Whoever waits for a chunk meanwhile gets the last one. Closing twice is allowed.
        """
        self.cancel()
        try:
            await settled(self._run)
        finally:
            self._stream.close()

    async def result(self) -> R:
        """The finished generation; runs what is left of it, if it was not closed."""
        self._run.hurry()
        async for _ in self:
            pass
        return self._stream.result()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()
