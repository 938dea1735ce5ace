"""The events of a response as frames."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from pestle.server import streams
from pestle.server.answers import Answers
from pestle.server.dialects.responses.output import Event, Output
from pestle.server.dialects.responses.response import Response
from pestle.server.errors import ApiError
from pestle.server.jobs import Finished, Piece, Quiet, Reading, Waiting


class Streaming:
    """A response as it is streamed."""

    def __init__(self, response: Response, output: Output) -> None:
        self._response = response
        self._output = output
        self._number = 0

    async def frames(self, answers: Answers) -> AsyncIterator[bytes]:
        """All frames, of which the last one tells that it is complete, or as far as it got.

        Silence is told of by further `response.queued` and `response.in_progress`: clients that
        give up on a silent stream do not count comments.
        """
        yield self._status("created", "in_progress")
        begun = False
        async for event in answers:
            if isinstance(event, Waiting):
                yield self._status("queued", "queued", queue={"ahead": event.ahead})
                continue
            if isinstance(event, Reading):
                counts = {"total": event.total, "cache": event.cached, "processed": event.done}
                yield self._status("in_progress", "in_progress", prompt_progress=counts)
            elif not begun or isinstance(event, Quiet):
                yield self._status("in_progress", "in_progress")
            begun = True
            if isinstance(event, Piece):
                for told in self._output.add(event.chunk):
                    yield self._frame(told)
            elif isinstance(event, Finished):
                reason = event.result.finish_reason
                for told in self._output.end(complete=reason == "stop"):
                    yield self._frame(told)
                ended = self._response.ended(reason, self._output.items, event.result.usage)
                yield self._frame((f"response.{ended['status']}", {"response": ended}))

    def failed(self, error: ApiError) -> bytes:
        """The last frame where something went wrong."""
        ended = self._response.failed(error, self._output.items)
        return self._frame(("response.failed", {"response": ended}))

    async def refused(self, error: ApiError) -> AsyncIterator[bytes]:
        """All frames of a response that cannot begin."""
        yield self._status("created", "in_progress")
        yield self.failed(error)

    def _status(self, event: str, status: str, **more: Any) -> bytes:
        response = self._response.now(status, self._output.items)
        return self._frame((f"response.{event}", {"response": response, **more}))

    def _frame(self, event: Event) -> bytes:
        name, fields = event
        numbered = {"type": name, "sequence_number": self._number, **fields}
        self._number += 1
        return streams.event(numbered, name)
