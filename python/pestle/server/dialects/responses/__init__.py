"""OpenAI's responses: `POST /v1/responses`, stateless.

requests    the fields of a request, and how one is answered
items       from the items of an input to the messages of a chat
tools       functions that may be called, and the choice among them
response    the object of a response
output      the items of an output as they are written, and the events that tell of it
streaming   the events of a response as frames

Nothing is stored, so the conversation comes whole with each request, and what needs a store is
refused by name. Reasoning comes as `reasoning_text`; to a client that asks for a summary it comes
as that, whole. Tools that are not functions are left out, but a namespace's functions are offered.
A stream tells of the queue and of the prompt by further `response.queued` and
`response.in_progress`. A prompt that is too long is `response.failed` in a stream, with the code
`context_length_exceeded`: at that, clients cut their history down, and at a status of 400 not.

Source: the OpenAI API reference, "Responses" and "Streaming events"; what clients read of it is
theirs.
"""

from pestle.server.dialects.responses.requests import Fields, answer

__all__ = ["Fields", "answer"]
