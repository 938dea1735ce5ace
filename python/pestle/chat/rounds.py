"""Rounds of calls: what an answer asks for, and how a conversation goes on from it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pestle.chat.messages import check_calls
from pestle.errors import ArgumentTypeError
from pestle.options import check_integer
from pestle.options.checks import mistyped
from pestle.results import ToolCall

REFUSED = "error: the user does not allow this call"


def check_rounds(approve: object, most_rounds: Any, options: Mapping[str, Any]) -> int:
    """Return `most_rounds`. Raises ArgumentError and ArgumentTypeError for what is wrong."""
    if not callable(approve):
        raise mistyped("approve", approve, "a function of a ToolCall")
    if options.get("stream"):
        raise ArgumentTypeError("converse gives no stream; ask, answer_calls and proceed do")
    return check_integer("most_rounds", most_rounds, 0)


def requested_calls(messages: Sequence[Mapping[str, Any]]) -> list[tuple[str | None, ToolCall]]:
    """The calls of the last message, each with its id if it has one. Raises ArgumentError."""
    calls = (messages[-1].get("tool_calls") if messages else None) or ()
    check_calls("tool_calls of the last message", calls)
    found = []
    for call in calls:
        arguments = call["function"].get("arguments", "")
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments, ensure_ascii=False)
        found.append((call.get("id"), ToolCall(call["function"]["name"], arguments)))
    return found


def result_message(identity: str | None, call: ToolCall, content: str) -> dict[str, Any]:
    """What a call gave, as the model is told of it."""
    named = {"tool_call_id": identity} if identity else {}
    return {"role": "tool", **named, "name": call.name, "content": content}
