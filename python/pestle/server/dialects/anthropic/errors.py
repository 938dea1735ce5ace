"""How Anthropic tells of errors."""

from __future__ import annotations

from typing import Any

from pestle.server import streams
from pestle.server.errors import ApiError

_KINDS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    529: "overloaded_error",
}
NO_THREADS = "thread_unsupported_request"
"""The code at which clients send a conversation as a whole, as they did before threads."""
_BUSY = (429, 503)  # it would be the server's fault, not that of a client's many requests


class Anthropic:
    """The dialect."""

    id_header = "request-id"

    def status(self, error: ApiError) -> int:
        """The status, which is 529 where the server has too much to do."""
        return 529 if error.status in _BUSY else error.status

    def body(self, error: ApiError, request_id: str) -> dict[str, Any]:
        """The object with `error` and the id of the request."""
        status = self.status(error)
        kind = "api_error" if status >= 500 else "invalid_request_error"
        told: dict[str, Any] = {"type": _KINDS.get(status, kind), "message": _message(error)}
        if error.code == NO_THREADS:
            told["details"] = {"error_code": error.code}
        return {"type": "error", "error": told, "request_id": request_id}

    def in_stream(self, error: ApiError, request_id: str) -> bytes:
        """The event `error`, at which clients raise."""
        return streams.event(self.body(error, request_id), "error")


def _message(error: ApiError) -> str:
    if error.code != "context_length_exceeded":
        return error.message
    # Claude Code knows by these words that it has to make its history shorter.
    counts = error.details
    if not counts:  # it is the memory that is too small
        return f"prompt is too long: {error.message}"
    return f"prompt is too long: {counts['n_prompt_tokens']} tokens > {counts['n_ctx']} maximum"
