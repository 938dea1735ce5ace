"""Streams: a generation as an iterator of chunks, for threads and for asyncio."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from threading import RLock
from typing import TYPE_CHECKING, Generic

from pestle.engine.generation import R, Run
from pestle.results import Chunk

if TYPE_CHECKING:
    from asyncio import Future
    from types import TracebackType

    from typing_extensions import Self


class Stream(Iterator[Chunk], Generic[R]):
    """An answer while it is being written.

    Iterate to get its chunks. Leaving the `with` block, `close` or dropping the stream ends the
    generation early; so does Ctrl-C. Whatever was read until then stays cached. Several threads
    may use one stream: each chunk goes to one of them.
    """

    def __init__(self, run: Run[R]) -> None:
        self._run = run
        # A generator of the run, not of this object: no cycle, so dropping a stream closes it.
        self._chunks = run.chunks()
        # A generator refuses a second thread. Reentrant, so that a signal handler, which runs in
        # the thread it interrupts, does not wait for itself.
        self._turn = RLock()

    def __next__(self) -> Chunk:
        with self._turn:
            return next(self._chunks)

    def cancel(self) -> None:
        """End the generation before its next forward pass; any thread may call this.

        The stream then yields one last chunk, whose `finish_reason` is "cancelled".
        """
        self._run.cancel.set()

    def close(self) -> None:
        """End the generation, once the forward pass in progress has ended.

        Any thread may call this, and closing twice is allowed. In a signal handler use `cancel`: a
        handler cannot wait for what it interrupts, so this raises ValueError there.
        """
        self.cancel()
        with self._turn:
            self._chunks.close()

    def result(self) -> R:
        """The finished generation; runs what is left of it, if it was not closed."""
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


class AsyncStream(AsyncIterator[Chunk], Generic[R]):
    """A `Stream` for asyncio: each chunk is computed in a worker thread.

    Cancelling the task that waits for a chunk ends the generation before its next forward pass,
    and the cancellation returns only when the one in progress has ended: the session can be used
    again at once.
    """

    def __init__(self, run: Run[R]) -> None:
        self._stream = Stream(run)
        self._working: set[Future[Chunk | None]] = set()

    async def __anext__(self) -> Chunk:
        chunk = await self._in_thread()
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    def cancel(self) -> None:
        """End the generation before its next forward pass; see `Stream.cancel`."""
        self._stream.cancel()

    async def aclose(self) -> None:
        """End the generation, once the forward pass in progress has ended.

        Whoever waits for a chunk meanwhile gets the last one. Closing twice is allowed.
        """
        self.cancel()
        try:
            await self._rest()
        finally:
            self._stream.close()

    async def result(self) -> R:
        """The finished generation; runs what is left of it, if it was not closed."""
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

    async def _in_thread(self) -> Chunk | None:
        """The next chunk, or None at the end."""
        import asyncio  # here: `import pestle` does without it

        # A StopIteration cannot travel through a future, hence the default.
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(None, next, self._stream, None)
        self._working.add(work)
        work.add_done_callback(self._settled)
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            with contextlib.suppress(asyncio.CancelledError):
                await self.aclose()
            raise

    def _settled(self, work: Future[Chunk | None]) -> None:
        self._working.discard(work)
        if not work.cancelled():
            work.exception()  # whoever waited may be gone: asyncio need not complain of that

    async def _rest(self) -> None:
        """Wait until no chunk is being computed."""
        import asyncio

        try:
            if self._working:
                await asyncio.wait(set(self._working))
        except asyncio.CancelledError:
            await self._rest()  # the pass in progress still has to end
            raise
