"""Anthropic's Messages API: `POST /v1/messages` and `POST /v1/messages/count_tokens`.

Source: the Anthropic API reference, "Messages", "Streaming messages" and "Errors"; of what Claude
Code sends beyond it, what was seen.

fields     what requests may have
reasoning  thinking that comes back
blocks     contents, which are lists of blocks, as chat templates know them
tools      tools, and which of them is to be called
jobs       from a request to a job
events     from the events of an answer to those of a stream, or to a message
errors     how errors are told
handlers   the two endpoints
"""

from pestle.server.dialects.anthropic.errors import Anthropic
from pestle.server.dialects.anthropic.fields import CountFields, Fields
from pestle.server.dialects.anthropic.handlers import answer, count

__all__ = ["Anthropic", "CountFields", "Fields", "answer", "count"]
