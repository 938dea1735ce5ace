"""The endpoints of the Messages API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from pestle.server import fields as body_fields
from pestle.server import streams
from pestle.server.dialects.anthropic.errors import NO_THREADS
from pestle.server.dialects.anthropic.events import Shape, events_of, message_of
from pestle.server.dialects.anthropic.fields import CountFields, Fields
from pestle.server.dialects.anthropic.jobs import counting_job, message_job
from pestle.server.endpoint import Call, Reply, Stream
from pestle.server.errors import ApiError

_REFUSED = {
    "compaction": "nothing here makes conversations shorter",
    "container": "there are no containers here",
    "mcp_servers": "nothing here asks other servers",
}


async def answer(call: Call[Fields]) -> Reply | Stream:
    """`POST /v1/messages`."""
    fields = call.fields
    body_fields.refuse(dict(call.raw), _REFUSED)
    if call.raw.get("thread") is not None:
        said = "thread: nothing is kept between requests; send the whole conversation without it"
        raise ApiError(400, said, param="thread", code=NO_THREADS)
    if not fields.messages or fields.messages[-1].role == "assistant":
        said = "messages: the last one is the assistant's, which is not continued here (prefill)"
        if not fields.messages:
            said = "messages is empty, expected one at least"
        raise ApiError(400, said, param="messages")
    answers = await call.service.answers(call.served.llm, message_job(call), call.client)
    shape = Shape(
        call.served.name,
        fields.max_tokens,
        omits=fields.thinking is not None and fields.thinking.display == "omitted",
        edits=bool(call.raw.get("context_management")),
    )
    if fields.stream:
        return Stream(_frames(events_of(answers, shape)))
    return Reply(await message_of(answers, shape))


async def count(call: Call[CountFields]) -> Reply:
    """`POST /v1/messages/count_tokens`."""
    n = await call.service.count_tokens(call.served.llm, counting_job(call))
    return Reply({"input_tokens": n})


async def _frames(events: AsyncIterator[dict[str, Any]]) -> AsyncIterator[bytes]:
    async for event in events:
        yield streams.event(event, event["type"])
