"""The object of a response."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from pestle.results import FinishReason, Usage
from pestle.server.errors import ApiError


class Response:
    """A response: what was asked, which stays, and what has become of it, which grows.

    `asked` are fields of the request as this API repeats them.
    """

    def __init__(self, key: str, model: str, asked: Mapping[str, Any]) -> None:
        self._constant = {
            "id": f"resp_{key}",
            "object": "response",
            "created_at": int(time.time()),
            "model": model,
            "background": False,
            "store": False,  # nothing is: there is no way to ask for it later
            "previous_response_id": None,
            "truncation": "disabled",
            "service_tier": "default",
            **asked,
        }

    def now(self, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
        """The object before the end."""
        return self._object(status, output)

    def ended(
        self, reason: FinishReason, output: list[dict[str, Any]], usage: Usage
    ) -> dict[str, Any]:
        """The object at the end, or where a limit was reached."""
        ended = self._object("completed", output)
        ended["usage"] = _usage(usage)
        if reason == "stop":
            ended["completed_at"] = int(time.time())
        else:
            ended["status"] = "incomplete"
        if reason == "length":
            ended["incomplete_details"] = {"reason": "max_output_tokens"}
        return ended

    def failed(self, error: ApiError, output: list[dict[str, Any]]) -> dict[str, Any]:
        """The object where something went wrong."""
        told = {"code": _code(error), "message": error.message}
        return {**self._object("failed", output), "error": told}

    def _object(self, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            **self._constant,
            "status": status,
            "completed_at": None,
            "error": None,
            "incomplete_details": None,
            "output": output,
            "usage": None,
        }


def _code(error: ApiError) -> str:
    if error.code is not None:
        return error.code
    if error.status == 429:
        return "rate_limit_exceeded"
    return "server_error" if error.status >= 500 else "invalid_prompt"


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total_tokens,
    }
