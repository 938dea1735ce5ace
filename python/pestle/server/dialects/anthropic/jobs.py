"""From a request of the Messages API to a job."""

from __future__ import annotations

from typing import Any, cast

from pestle.options import ChatOptions
from pestle.server.dialects.anthropic import tools
from pestle.server.dialects.anthropic.blocks import chat_messages
from pestle.server.dialects.anthropic.fields import CountFields, Fields
from pestle.server.endpoint import Call
from pestle.server.jobs import ChatJob
from pestle.server.thinking import thinking_options

_WANTED = {"enabled": True, "disabled": False}


def counting_job(call: Call[CountFields]) -> ChatJob:
    """The job of which only the prompt is of interest. Raises ApiError."""
    return _job(call, {})


def message_job(call: Call[Fields]) -> ChatJob:
    """The job of a message. Raises ApiError."""
    fields = call.fields
    options = {
        "max_tokens": fields.max_tokens,
        "stop": fields.stop_sequences,
        "temperature": fields.temperature,
        "top_p": fields.top_p,
        "top_k": fields.top_k,
        "seed": None if fields.seed is None else fields.seed % 2**64,
    }
    return _job(call, options)


def _job(call: Call[Any], options: dict[str, Any]) -> ChatJob:
    fields: CountFields = call.fields
    given = tools.described(fields.tools)
    thinking, output = fields.thinking, fields.output_config
    form = fields.output_format if output is None or output.format is None else output.format
    options = {
        **options,
        **tools.choice(fields.tool_choice, given),
        **thinking_options(
            call.served.llm,
            wanted=None if thinking is None else _WANTED.get(thinking.type),
            effort=None if output is None else output.effort,
            budget=None if thinking is None else thinking.budget_tokens,
        ),
        "json_schema": None if form is None else form.schema,
    }
    return ChatJob(
        chat_messages(fields.system, fields.messages),
        given,
        options=cast(ChatOptions, {n: v for n, v in options.items() if v is not None}),
    )
