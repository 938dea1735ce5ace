"""OpenAI's responses: `POST /v1/responses`, stateless.

requests    the fields of a request, and how one is answered
items       from the items of an input to the messages of a chat
tools       functions that may be called, and the choice among them
response    the object of a response
output      the items of an output as they are written, and the events that tell of it
streaming   the events of a response as frames

Source: the OpenAI API reference, "Responses" and "Streaming events"; what clients read of it is
theirs.
"""

from pestle.server.dialects.responses.requests import Fields, answer

__all__ = ["Fields", "answer"]
