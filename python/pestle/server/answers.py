"""The answers of one job as one stream of events, for the thread of the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any

from pestle.engine.run import Run
from pestle.results import ChatCompletion, Completion
from pestle.server.doorbell import Doorbell
from pestle.server.jobs import Event, Finished, Piece, Quiet, Reading, Waiting
from pestle.server.metrics import Observer


class Answers:
    """Several generations at once; their pieces come as they are written.

    Iterate to have them begun. An error of one ends all, and is raised. `close` ends what is left
    before its next forward pass and waits for nothing.
    """

    def __init__(
        self,
        runs: Sequence[Run[Any]],
        beat: float,
        doorbell: Doorbell,
        observer: Observer,
        note: Callable[[Sequence[int]], None],
    ) -> None:
        """`beat`: seconds of silence after which an event tells what goes on.

        `doorbell`: of the loop, for the threads that write. `observer` hears how long things take,
        and `note` the tokens of each text that is complete.
        """
        self._runs = list(runs)
        self._beat = beat
        self._doorbell = doorbell
        self._observer = observer
        self._note = note
        self._began = time.monotonic()
        self._said: dict[int, tuple[float, float]] = {}  # when: the first piece, and the last
        self._rings: list[Callable[[], None]] = []
        self._silent_since = 0.0  # by the loop's clock
        self._timer: asyncio.TimerHandle | None = None
        self._watched: set[int] = set()
        self._change: asyncio.Future[bool] | None = None
        self._error: Exception | None = None
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many of them have not said anything yet."""
        return 0 if self._closed else len(self._runs) - len(self._said)

    @property
    def prompts(self) -> list[list[int]]:
        """The tokens of each answer's prompt."""
        return [run.prompt for run in self._runs]

    @property
    def cached_tokens(self) -> list[int]:
        """Of each prompt, the tokens that did not have to be read: 0 before its answer begins."""
        return [run.status().cached_tokens for run in self._runs]

    async def __aiter__(self) -> AsyncIterator[Event]:
        live = dict(enumerate(self._runs))
        self._rings = [partial(self._doorbell.ring, partial(self._tell, each)) for each in live]
        try:
            for run in live.values():
                run.begin()
            while live:
                if self._error is not None:
                    raise self._error
                silent = True
                for index, run in list(live.items()):
                    # A turn for each, so that one that was written fast does not hold up others.
                    if not run.ready:
                        continue
                    silent = False
                    chunk = run.next()
                    if chunk is None:
                        del live[index]
                        yield Finished(index, self._result(index, run))
                    else:
                        self._observe(index)
                        yield Piece(index, chunk)
                if silent and not await self._changed(live):
                    yield self._told(live)
        finally:
            self._rings = []  # they refer to this
            if self._timer is not None:
                self._timer.cancel()
            self.close()

    async def results(self) -> list[Completion | ChatCompletion]:
        """All of them, complete, in the order of their numbers."""
        found: dict[int, Completion | ChatCompletion] = {}
        async for event in self:
            if isinstance(event, Finished):
                found[event.index] = event.result
        return [found[index] for index in sorted(found)]

    def fail(self, error: Exception) -> None:
        """Have iterating raise `error`, unless all is complete; in the thread of the loop."""
        self._error = error
        if self._change is not None:
            _settle(self._change, True)

    def close(self) -> None:
        """End what is left; a forward pass in progress still ends, and is not waited for."""
        self._closed = True
        for run in self._runs:
            run.abandon()
            run.end()

    def _observe(self, index: int) -> None:
        now = time.monotonic()
        said = self._said.get(index)
        if said is None:
            self._observer.first(now - self._began)
            self._said[index] = now, now
        else:
            self._observer.between(now - said[1])
            self._said[index] = said[0], now

    def _result(self, index: int, run: Run[Any]) -> Completion | ChatCompletion:
        result: Completion = run.result()
        self._note([*run.prompt, *result.token_ids])
        if index in self._said:  # else it was ended before it said anything
            first, last = self._said[index]
            self._observer.ended(result, first - self._began, last - self._began)
        return result

    async def _changed(self, live: dict[int, Run[Any]]) -> bool:
        """Wait until there may be a piece of one; False where that takes longer than a beat."""
        loop = asyncio.get_running_loop()
        self._change = change = loop.create_future()
        for index, run in live.items():
            if index not in self._watched:
                self._watched.add(index)
                run.watch(self._rings[index])
        self._silent_since = loop.time()
        if self._timer is None:
            self._timer = loop.call_later(self._beat, self._look, loop)
        moved: bool = await change
        return moved

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Tell of a silence, or look again when it would be long enough.

        So a piece that comes in time costs no timer of its own.
        """
        left = self._silent_since + self._beat - loop.time()
        self._timer = None
        if left > 0:
            self._timer = loop.call_later(left, self._look, loop)
        elif self._change is not None:
            _settle(self._change, False)

    def _tell(self, index: int) -> None:
        self._watched.discard(index)
        if self._change is not None:
            _settle(self._change, True)

    def _told(self, live: dict[int, Run[Any]]) -> Event:
        """What goes on in the first that is not complete."""
        status = next(iter(live.values())).status()
        if status.phase == "waiting":
            return Waiting(status.place)
        if status.phase == "reading":
            return Reading(status.read_tokens, status.prompt_tokens, status.cached_tokens)
        return Quiet()


def _settle(future: asyncio.Future[bool], value: bool) -> None:
    if not future.done():
        future.set_result(value)
