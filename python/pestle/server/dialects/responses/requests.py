"""The fields of a request, and how one is answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pestle.errors import ContextLengthError
from pestle.llm import LLM
from pestle.options import ChatOptions
from pestle.server import errors
from pestle.server import fields as body_fields
from pestle.server.dialects import openai
from pestle.server.dialects.responses import items
from pestle.server.dialects.responses.output import Output
from pestle.server.dialects.responses.response import Response
from pestle.server.dialects.responses.streaming import Streaming
from pestle.server.dialects.responses.tools import Tools, choice
from pestle.server.endpoint import Call, Reply, Stream
from pestle.server.errors import ApiError
from pestle.server.jobs import ChatJob, Finished, Piece
from pestle.server.thinking import effort_in, thinking_options


class Fields(openai.SamplingFields, kw_only=True):
    """What a request may have."""

    input: str | list[Any]
    instructions: str | None = None
    max_output_tokens: int | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    text: dict[str, Any] | None = None
    reasoning: dict[str, Any] | None = None
    include: list[str] | None = None
    top_logprobs: int | None = None
    truncation: str | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    # What follows changes no text, and is repeated in the answer or means nothing here.
    metadata: dict[str, Any] | None = None
    prompt_cache_key: str | None = None
    safety_identifier: str | None = None
    store: bool | None = None
    service_tier: str | None = None


_NOTHING_STORED = "nothing is stored here: send the whole conversation as input"
_REFUSED = {
    "previous_response_id": _NOTHING_STORED,
    "conversation": _NOTHING_STORED,
    "background": "nothing is stored here, so there is no way to ask for the answer later",
    "prompt": "there are no stored prompts here: send instructions and input",
    "moderation": "nothing here moderates",
    "n": "a response is one answer",
}
_LOGPROBS = "message.output_text.logprobs"


async def answer(call: Call[Fields]) -> Reply | Stream:
    """Answer a request."""
    fields = call.fields
    _check(fields, call.raw)
    tools = Tools(fields.tools or [])
    job = _job(call.served.llm, fields, tools)
    key = openai.new_key()
    response = Response(key, call.served.name, _asked(fields, job, tools))
    output = Output(
        key,
        tools,
        summarized=_wants_summary(fields.reasoning or {}),
        logprobs=job.options.get("logprobs") is not None,
    )
    streaming = Streaming(response, output)
    try:
        answers = await call.service.answers(call.served.llm, job, call.client)
    except ContextLengthError as error:
        if not fields.stream:
            raise
        # Clients cut their history down at this event, but give up at a status of 400.
        return Stream(streaming.refused(errors.of(error)))
    if fields.stream:
        return Stream(streaming.frames(answers), streaming.failed)
    async for event in answers:
        if isinstance(event, Piece):
            output.add(event.chunk)
        elif isinstance(event, Finished):
            result = event.result
            output.end(complete=result.finish_reason == "stop")
    return Reply(response.ended(result.finish_reason, output.items, result.usage))


def _check(fields: Fields, raw: Mapping[str, Any]) -> None:
    body_fields.refuse(dict(raw), _REFUSED)
    if fields.truncation not in (None, "disabled"):
        said = "truncation is not supported: nothing is ever cut; expected disabled"
        raise ApiError(400, said, param="truncation")


def _job(llm: LLM, fields: Fields, tools: Tools) -> ChatJob:
    wanted = choice(fields.tool_choice)
    options = openai.sampling(fields)
    options |= {
        "max_tokens": most if (most := fields.max_output_tokens) is not None else fields.max_tokens,
        "tool_choice": wanted if tools.functions or wanted not in ("auto", "none") else None,
        "parallel_tool_calls": fields.parallel_tool_calls,
        "logprobs": (fields.top_logprobs or 0) if _LOGPROBS in (fields.include or ()) else None,
        **thinking_options(llm, effort=effort_in(fields.reasoning)),
    }
    openai.take_format(_format(fields.text or {}), options)
    return ChatJob(
        items.messages(fields.input, fields.instructions),
        tools.functions or None,
        fields.chat_template_kwargs or {},
        cast(ChatOptions, {n: v for n, v in options.items() if v is not None}),
    )


def _format(text: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The format of a text as chat completions have it. Raises ApiError."""
    wanted = text.get("format")
    if wanted is None:
        return None
    if not isinstance(wanted, Mapping):
        raise ApiError(400, "text: format is not an object", param="text")
    if wanted.get("type") != "json_schema":
        return wanted
    schema = {name: value for name, value in wanted.items() if name != "type"}
    return {"type": "json_schema", "json_schema": schema}


def _wants_summary(reasoning: Mapping[str, Any]) -> bool:
    return any(reasoning.get(name) is not None for name in ("summary", "generate_summary"))


def _asked(fields: Fields, job: ChatJob, tools: Tools) -> dict[str, Any]:
    """What the answer repeats of the request, its tools as far as the model is told of them."""
    reasoning = fields.reasoning or {}
    return {
        "instructions": fields.instructions,
        "max_output_tokens": job.options.get("max_tokens"),
        "tools": tools.given,
        "tool_choice": fields.tool_choice or "auto",
        "parallel_tool_calls": fields.parallel_tool_calls is not False,
        "text": {"format": {"type": "text"}, **(fields.text or {})},
        "reasoning": {"effort": reasoning.get("effort"), "summary": reasoning.get("summary")},
        "temperature": fields.temperature,
        "top_p": fields.top_p,
        "top_logprobs": fields.top_logprobs or 0,
        "metadata": fields.metadata or {},
        "user": fields.user,
        "prompt_cache_key": fields.prompt_cache_key,
        "safety_identifier": fields.safety_identifier,
    }
