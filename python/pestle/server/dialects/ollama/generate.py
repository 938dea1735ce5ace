"""`POST /api/generate`: one prompt, as a chat's or `raw`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, cast

from pestle.options import ChatOptions, GenerateOptions
from pestle.results import Completion, ToolCall
from pestle.server import fields as body_fields
from pestle.server.dialects.ollama import options
from pestle.server.dialects.ollama.fields import GenerateFields as Fields
from pestle.server.dialects.ollama.lines import Shape
from pestle.server.endpoint import Call, Reply, Stream
from pestle.server.errors import ApiError
from pestle.server.jobs import ChatJob, TextJob

_REFUSED = {
    "suffix": "nothing is written between two texts here",
    "template": "the model's own is used",
    "images": "images cannot be read here, only text",
    "context": "send the conversation to /api/chat",
}


async def answer(call: Call[Fields]) -> Reply | Stream:
    """Answer a request."""
    fields, llm = call.fields, call.served.llm
    body_fields.refuse(dict(call.raw), _REFUSED)
    began = time.perf_counter_ns()
    if not fields.prompt:
        return Shape(call.served.name, _response, began=began).loaded()
    answers = await call.service.answers(llm, _job(call), call.client)

    def context(result: Completion) -> dict[str, Any]:
        return {"context": [*answers.prompts[0], *result.token_ids]}

    shape = Shape(call.served.name, _response, context, began)
    if fields.stream is False:
        return shape.reply((await answers.results())[0])
    return shape.stream(answers)


def _job(call: Call[Fields]) -> ChatJob | TextJob:
    fields, llm = call.fields, call.served.llm
    asked = options.generation(llm, fields, call.raw)
    if fields.raw:
        if fields.system:
            raise ApiError(400, "raw leaves no place for system", param="system")
        # Whoever lays a prompt out spells the control tokens in it.
        return TextJob([fields.prompt], parse_special=True, options=cast(GenerateOptions, asked))
    asked |= options.thinking(llm, call.served.name, fields)
    system = [{"role": "system", "content": fields.system}] if fields.system else []
    messages = [*system, {"role": "user", "content": fields.prompt}]
    return ChatJob(messages, options=cast(ChatOptions, asked))


def _response(text: str, thoughts: str, calls: Sequence[ToolCall]) -> dict[str, Any]:
    return {"response": text, **({"thinking": thoughts} if thoughts else {})}


__all__ = ["Fields", "answer"]
