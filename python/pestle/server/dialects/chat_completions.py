"""OpenAI's chat completions: `POST /v1/chat/completions`.

Source: the OpenAI API reference, "Chat completions" and "Streaming"; what clients send beyond it is
theirs.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any, cast

from pestle.llm import LLM
from pestle.options import ChatOptions
from pestle.results import CallDelta, ChatCompletion, Chunk, FinishReason, ToolCall, Usage
from pestle.server import fields as body_fields
from pestle.server import streams
from pestle.server.answers import Answers
from pestle.server.dialects import openai
from pestle.server.endpoint import Call, Reply, Stream
from pestle.server.errors import ApiError
from pestle.server.jobs import ChatJob, Finished, Piece
from pestle.server.thinking import effort_in, thinking_options


class Fields(openai.SamplingFields, kw_only=True):
    """What a request may have."""

    messages: list[dict[str, Any]]
    max_completion_tokens: int | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    response_format: dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: str | None = None
    reasoning: dict[str, Any] | None = None
    chat_template_kwargs: dict[str, Any] | None = None


_REFUSED = {
    "functions": "use tools",
    "function_call": "use tool_choice",
    "audio": "there is no audio here",
    "web_search_options": "nothing here searches the web",
}


async def answer(call: Call[Fields]) -> Reply | Stream:
    """Answer a request."""
    fields = call.fields
    body_fields.refuse(dict(call.raw), _REFUSED)
    llm = call.served.llm
    answers = await call.service.answers(llm, _job(llm, fields), call.client)
    shape = _Shape(call.served.name)
    if fields.stream:
        return Stream(_frames(answers, shape, openai.wants_usage(fields)))
    results = [cast(ChatCompletion, result) for result in await answers.results()]
    return Reply(shape.whole(results))


def _job(llm: LLM, fields: Fields) -> ChatJob:
    effort = fields.reasoning_effort or effort_in(fields.reasoning)
    options = openai.sampling(fields)
    options |= {
        "max_tokens": _first(fields.max_completion_tokens, fields.max_tokens),
        "tool_choice": fields.tool_choice,
        "parallel_tool_calls": fields.parallel_tool_calls,
        "logprobs": _logprobs(fields),
        **thinking_options(llm, effort=effort),
    }
    openai.take_format(fields.response_format, options)
    return ChatJob(
        [_with_one_reasoning(message) for message in fields.messages],
        fields.tools or None,
        fields.chat_template_kwargs or {},
        cast(ChatOptions, {n: v for n, v in options.items() if v is not None}),
        1 if fields.n is None else fields.n,
    )


def _first(*values: int | None) -> int | None:
    """The first of them that was given."""
    return next((value for value in values if value is not None), None)


def _with_one_reasoning(message: dict[str, Any]) -> dict[str, Any]:
    """A message without `reasoning`: clients send both names back that answers have."""
    if "reasoning" not in message:
        return message
    known = {name: value for name, value in message.items() if name != "reasoning"}
    if not known.get("reasoning_content"):
        known["reasoning_content"] = message["reasoning"]
    return known


def _logprobs(fields: Fields) -> int | None:
    if fields.top_logprobs is not None and not fields.logprobs:
        raise ApiError(400, "top_logprobs needs logprobs: true", param="top_logprobs")
    return (fields.top_logprobs or 0) if fields.logprobs else None


class _Shape:
    """The objects of one answer, which have its id, its time and its model."""

    def __init__(self, model: str) -> None:
        self._id = f"chatcmpl-{openai.new_key()}"
        self._created = int(time.time())
        self._model = model

    def whole(self, results: list[ChatCompletion]) -> dict[str, Any]:
        return {
            **self._head("chat.completion"),
            "choices": [_choice(index, result) for index, result in enumerate(results)],
            "usage": openai.usage([result.usage for result in results]),
        }

    def chunk(
        self, index: int, delta: dict[str, Any], reason: str | None = None, logprobs: Any = None
    ) -> bytes:
        choice = {"index": index, "delta": delta, "finish_reason": reason, "logprobs": logprobs}
        return streams.event({**self._head("chat.completion.chunk"), "choices": [choice]})

    def usage(self, usages: list[Usage]) -> bytes:
        head = self._head("chat.completion.chunk")
        return streams.event({**head, "choices": [], "usage": openai.usage(usages)})

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self._id, "object": kind, "created": self._created, "model": self._model}


def _choice(index: int, result: ChatCompletion) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": result.text if result.text or not result.tool_calls else None,
        "refusal": None,
    }
    message |= _thought(result.reasoning)
    if result.tool_calls:
        message["tool_calls"] = [_call(call) for call in result.tool_calls]
    return {
        "index": index,
        "message": message,
        "finish_reason": _reason(result.finish_reason, called=bool(result.tool_calls)),
        "logprobs": openai.chat_logprobs(result.logprobs),
    }


async def _frames(answers: Answers, shape: _Shape, with_usage: bool) -> AsyncIterator[bytes]:
    usages: dict[int, Usage] = {}
    called: dict[int, bool] = {}  # by answer, whether it has a call
    async for event in answers:
        if isinstance(event, Piece):
            index, chunk = event.index, event.chunk
            delta = _delta(chunk, first=index not in called)
            called[index] = called.get(index, False) or bool(chunk.call_deltas)
            reason = None
            if chunk.finish_reason is not None:
                reason = _reason(chunk.finish_reason, called=called[index])
            if delta or reason is not None or chunk.logprobs:
                yield shape.chunk(index, delta, reason, openai.chat_logprobs(chunk.logprobs))
        elif isinstance(event, Finished):
            usages[event.index] = event.result.usage
        elif (comment := openai.silence(event)) is not None:
            yield comment
    if with_usage:
        yield shape.usage([usages[index] for index in sorted(usages)])
    yield streams.DONE


def _delta(chunk: Chunk, *, first: bool) -> dict[str, Any]:
    delta: dict[str, Any] = {"role": "assistant", "content": ""} if first else {}
    if chunk.text:
        delta["content"] = chunk.text
    delta |= _thought(chunk.reasoning)
    if chunk.call_deltas:
        delta["tool_calls"] = [_call_delta(each) for each in chunk.call_deltas]
    return delta


def _call_delta(delta: CallDelta) -> dict[str, Any]:
    """A piece of a call, of which the first one says whose it is."""
    if delta.name:
        return {"index": delta.index, **_call(delta)}
    return {"index": delta.index, "function": {"arguments": delta.arguments}}


def _thought(text: str) -> dict[str, str]:
    """Reasoning by both of its names: DeepSeek and llama.cpp have the one, vLLM the other."""
    return {"reasoning_content": text, "reasoning": text} if text else {}


def _call(call: ToolCall | CallDelta) -> dict[str, Any]:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }


def _reason(reason: FinishReason, *, called: bool) -> str:
    if reason == "length":
        return "length"
    return "tool_calls" if called else "stop"
