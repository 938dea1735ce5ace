"""`POST /api/chat`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import count
from typing import Any, cast

from pestle.options import ChatOptions
from pestle.results import ToolCall
from pestle.server.dialects.ollama import options
from pestle.server.dialects.ollama.fields import ChatFields as Fields
from pestle.server.dialects.ollama.lines import Put, Shape, called
from pestle.server.dialects.ollama.messages import chat_messages
from pestle.server.endpoint import Call, Reply, Stream
from pestle.server.jobs import ChatJob


async def answer(call: Call[Fields]) -> Reply | Stream:
    """Answer a request."""
    fields, llm = call.fields, call.served.llm
    shape = Shape(call.served.name, _message(), began=time.perf_counter_ns())
    if not fields.messages:
        return shape.loaded()
    asked = options.generation(llm, fields, call.raw) | options.thinking(
        llm, call.served.name, fields
    )
    job = ChatJob(
        chat_messages(fields.messages), fields.tools or None, options=cast(ChatOptions, asked)
    )
    answers = await call.service.answers(llm, job, call.client)
    if fields.stream is False:
        return shape.reply((await answers.results())[0])
    return shape.stream(answers)


def _message() -> Put:
    """Puts what is said into messages, and numbers the calls of all of them."""
    numbers = count()

    def put(text: str, thoughts: str, calls: Sequence[ToolCall]) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if thoughts:
            message["thinking"] = thoughts
        if calls:
            message["tool_calls"] = [called(each, next(numbers)) for each in calls]
        return {"message": message}

    return put


__all__ = ["Fields", "answer"]
