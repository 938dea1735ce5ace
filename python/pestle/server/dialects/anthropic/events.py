"""From the events of an answer to those of Anthropic's streams, and from these to a message."""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from pestle.results import Chunk, Completion, Usage
from pestle.server.answers import Answers
from pestle.server.dialects.anthropic.blocks import INVALID
from pestle.server.dialects.anthropic.reasoning import signature
from pestle.server.errors import ApiError
from pestle.server.jobs import Event, Finished, Piece, Reading, Waiting


@dataclass(frozen=True)
class Shape:
    """What of a request is seen in its answer.

    omits   blocks of thinking show nothing
    edits   the request asks for the context to be managed, so the answer says what was done
    """

    model: str
    max_tokens: int
    omits: bool
    edits: bool


async def events_of(answers: Answers, shape: Shape) -> AsyncIterator[dict[str, Any]]:
    """The events of a stream, in the API's order."""
    blocks = _Blocks(shape.omits)
    begun = False
    async for event in answers:
        if not begun:  # not before: until then nobody knows what was cached
            begun = True
            yield _start(answers, shape)
        if isinstance(event, Piece):
            for told in blocks.add(event.chunk):
                yield told
        elif isinstance(event, Finished):
            for told in blocks.close():
                yield told
            yield _end(event.result, shape)
        else:
            yield _ping(event)
    yield {"type": "message_stop"}


async def message_of(answers: Answers, shape: Shape) -> dict[str, Any]:
    """The message that the events add up to."""
    message: dict[str, Any] = {}
    parts: list[str] = []  # of the block that is open
    async for event in events_of(answers, shape):
        kind = event["type"]
        if kind == "message_start":
            message = event["message"]
        elif kind == "content_block_start":
            message["content"].append(event["content_block"])
        elif kind == "content_block_delta":
            delta = event["delta"]
            if delta["type"] == "signature_delta":
                message["content"][-1]["signature"] = delta["signature"]
            else:
                parts.append(delta[_DELTAS[delta["type"]]])
        elif kind == "content_block_stop":
            _fill(message["content"][-1], "".join(parts))
            parts.clear()
        elif kind == "message_delta":
            message |= {name: value for name, value in event.items() if name != "type"}
            message |= message.pop("delta")
    return message


_DELTAS = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}


def _fill(block: dict[str, Any], text: str) -> None:
    if block["type"] != "tool_use":
        block[block["type"]] = text
        return
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        given = None
    block["input"] = given if isinstance(given, dict) else {INVALID: text}


class _Blocks:
    """The content blocks of an answer, of which one is open at most."""

    def __init__(self, omits: bool) -> None:
        self._omits = omits
        self._omitted: list[str] = []
        self._index = -1
        self._open: str | None = None

    def add(self, chunk: Chunk) -> Iterator[dict[str, Any]]:
        if chunk.reasoning:
            if self._open != "thinking":
                yield from self._begin({"type": "thinking", "thinking": "", "signature": ""})
            if self._omits:
                self._omitted.append(chunk.reasoning)
            else:
                yield self._delta({"type": "thinking_delta", "thinking": chunk.reasoning})
        if chunk.text:
            if self._open != "text":
                yield from self._begin({"type": "text", "text": ""})
            yield self._delta({"type": "text_delta", "text": chunk.text})
        for call in chunk.call_deltas:
            if call.name:
                block = {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}
                yield from self._begin(block)
            if call.arguments:
                yield self._delta({"type": "input_json_delta", "partial_json": call.arguments})

    def close(self) -> Iterator[dict[str, Any]]:
        """End the block that is open, if one is."""
        if self._open is None:
            return
        if self._open == "thinking":
            signed = signature("".join(self._omitted))
            self._omitted.clear()
            yield self._delta({"type": "signature_delta", "signature": signed})
        self._open = None
        yield {"type": "content_block_stop", "index": self._index}

    def _begin(self, block: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield from self.close()
        self._index += 1
        self._open = block["type"]
        yield {"type": "content_block_start", "index": self._index, "content_block": block}

    def _delta(self, delta: dict[str, Any]) -> dict[str, Any]:
        return {"type": "content_block_delta", "index": self._index, "delta": delta}


def _start(answers: Answers, shape: Shape) -> dict[str, Any]:
    usage = Usage(len(answers.prompts[0]), answers.cached_tokens[0], 0)
    return {
        "type": "message_start",
        "message": {
            "id": f"msg_{secrets.token_hex(12)}",
            "type": "message",
            "role": "assistant",
            "model": shape.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": _usage(usage),
        },
    }


def _end(result: Completion, shape: Shape) -> dict[str, Any]:
    event: dict[str, Any] = {
        "type": "message_delta",
        "delta": _stop(result, shape),
        "usage": _usage(result.usage),
    }
    if shape.edits:
        event["context_management"] = {"applied_edits": []}
    return event


def _stop(result: Completion, shape: Shape) -> dict[str, Any]:
    reason, sequence = "end_turn", None
    if result.finish_reason == "cancelled":
        raise ApiError(503, "the server ended the answer before it was complete")
    if result.finish_reason == "length":
        reached = result.usage.completion_tokens >= shape.max_tokens
        reason = "max_tokens" if reached else "model_context_window_exceeded"
    elif getattr(result, "tool_calls", ()):
        reason = "tool_use"
    elif isinstance(result.stop_reason, str):
        reason, sequence = "stop_sequence", result.stop_reason
    return {"stop_reason": reason, "stop_sequence": sequence}


def _usage(usage: Usage) -> dict[str, Any]:
    """The counts; Anthropic's `input_tokens` are those that had to be read."""
    return {
        "input_tokens": usage.prompt_tokens - usage.cached_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
    }


def _ping(event: Event) -> dict[str, Any]:
    """What clients skip, whatever else it has: how far the answer is."""
    if isinstance(event, Waiting):
        return {"type": "ping", "queue": {"ahead": event.ahead}}
    if isinstance(event, Reading):
        done = {"read": event.done, "total": event.total, "cached": event.cached}
        return {"type": "ping", "prompt": done}
    return {"type": "ping"}
