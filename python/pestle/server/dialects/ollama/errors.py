"""How Ollama tells of errors."""

from __future__ import annotations

from typing import Any

import msgspec

from pestle.server.errors import ApiError


class Ollama:
    """The dialect."""

    id_header = "x-request-id"

    def status(self, error: ApiError) -> int:
        """The status, which is 503 where the queue is full."""
        return 503 if error.status == 429 else error.status

    def body(self, error: ApiError, request_id: str) -> dict[str, Any]:
        """The object with `error`, which is text."""
        return {"error": error.message}

    def in_stream(self, error: ApiError, request_id: str) -> bytes:
        """A line with `error`, at which clients raise."""
        return msgspec.json.encode(self.body(error, request_id)) + b"\n"
