"""Answers in Ollama's form: lines of JSON, of which the last has the counts."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import msgspec

from pestle.results import ChatCompletion, Chunk, Completion, TokenLogprob, ToolCall
from pestle.server.answers import Answers
from pestle.server.dialects import openai
from pestle.server.endpoint import Reply, Stream
from pestle.server.errors import ApiError
from pestle.server.jobs import Event, Finished, Piece, Reading, Waiting

MEDIA_TYPE = "application/x-ndjson"

Put = Callable[[str, str, Sequence[ToolCall]], dict[str, Any]]
"""From text, thoughts and calls to the fields of a line that have them."""


@dataclass(frozen=True)
class Shape:
    """What the lines of an answer have in common; `last` gives further fields of the last one."""

    model: str
    put: Put
    last: Callable[[Completion], dict[str, Any]] = lambda result: {}
    began: int = 0  # ns, as time.perf_counter_ns has it

    def reply(self, result: Completion) -> Reply:
        """The whole answer."""
        thoughts: str = ""
        calls: Sequence[ToolCall] = ()
        if isinstance(result, ChatCompletion):
            thoughts, calls = result.reasoning, result.tool_calls
        return Reply(
            {
                **self._head(),
                **self.put(result.text, thoughts, calls),
                **_logprobs(result.logprobs),
                **self._end(result),
            }
        )

    def stream(self, answers: Answers) -> Stream:
        """The answer as it is written."""
        return Stream(self._lines(answers), media_type=MEDIA_TYPE)

    def loaded(self) -> Reply:
        """What a request without a prompt is answered with: the model is there."""
        head = {**self._head(), **self.put("", "", ())}
        return Reply({**head, "done": True, "done_reason": "load"})

    async def _lines(self, answers: Answers) -> AsyncIterator[bytes]:
        async for event in answers:
            if isinstance(event, Piece):
                if _says(event.chunk):
                    yield self._piece(event.chunk)
            elif isinstance(event, Finished):
                nothing = self.put("", "", ())
                yield _line({**self._head(), **nothing, **self._end(event.result)})
            else:
                # Clients add nothing to nothing, and see that the answer lives.
                nothing = self.put("", "", ())
                yield _line({**self._head(), **nothing, "done": False, **_progress(event)})

    def _piece(self, chunk: Chunk) -> bytes:
        put = self.put(chunk.text, chunk.reasoning, chunk.tool_calls)
        return _line({**self._head(), **put, **_logprobs(chunk.logprobs), "done": False})

    def _head(self) -> dict[str, Any]:
        return {"model": self.model, "created_at": now()}

    def _end(self, result: Completion) -> dict[str, Any]:
        if result.finish_reason == "cancelled":
            raise ApiError(503, "the server ended the answer before it was complete")
        usage, timings = result.usage, result.timings
        return {
            "done": True,
            "done_reason": "length" if result.finish_reason == "length" else "stop",
            **self.last(result),
            "total_duration": time.perf_counter_ns() - self.began,
            "load_duration": 0,
            "prompt_eval_count": usage.prompt_tokens,
            "prompt_eval_duration": round(timings.prefill_s * 1e9),
            "eval_count": usage.completion_tokens,
            "eval_duration": round(timings.decode_s * 1e9),
        }


def now() -> str:
    """The time as the API has it."""
    return datetime.now(timezone.utc).isoformat().replace("+00:00", "Z")


def called(call: ToolCall, index: int) -> dict[str, Any]:
    """A call; its arguments are an object, whatever the model wrote."""
    try:
        arguments = json.loads(call.arguments)
    except (ValueError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        arguments = {"INVALID_JSON": call.arguments}
    return {"id": call.id, "function": {"index": index, "name": call.name, "arguments": arguments}}


def _says(chunk: Chunk) -> bool:
    return bool(chunk.text or chunk.reasoning or chunk.tool_calls or chunk.logprobs)


def _line(fields: dict[str, Any]) -> bytes:
    return msgspec.json.encode(fields) + b"\n"


def _logprobs(tokens: Sequence[TokenLogprob] | None) -> dict[str, Any]:
    return {} if tokens is None else {"logprobs": [openai.logprob(token) for token in tokens]}


def _progress(event: Event) -> dict[str, Any]:
    """How far it is, in a field that only those look for who know of it."""
    if isinstance(event, Waiting):
        return {"progress": {"ahead": event.ahead}}
    if isinstance(event, Reading):
        return {"progress": {"read": event.done, "total": event.total, "cached": event.cached}}
    return {}
