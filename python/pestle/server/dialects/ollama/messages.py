"""Ollama's messages as chat templates know them."""

from __future__ import annotations

import json
from typing import Any

from pestle.server.dialects.ollama.fields import Message, ToolCall
from pestle.server.errors import ApiError


def chat_messages(messages: list[Message]) -> list[dict[str, Any]]:
    """The conversation in OpenAI's form. Raises ApiError for images.

    Calls without an id get one, and results go to the first call before them that has none yet, of
    their tool if they name it: so it was meant before Ollama had ids.
    """
    chat: list[dict[str, Any]] = []
    waiting: list[tuple[str, str]] = []  # ids and names of calls without a result
    for n, message in enumerate(messages):
        check_images(f"messages[{n}].images", message.images)
        told: dict[str, Any] = {"role": message.role, "content": message.content or ""}
        if message.thinking:
            told["reasoning_content"] = message.thinking
        if message.tool_calls:
            calls = [_call(call, f"call{n:04}{k}") for k, call in enumerate(message.tool_calls)]
            waiting = [(call["id"], call["function"]["name"]) for call in calls]
            told |= {"content": message.content or None, "tool_calls": calls}
        elif message.role == "tool":
            told |= _result(message, waiting)
        chat.append(told)
    return chat


def check_images(where: str, images: list[Any] | None) -> None:
    """Raise ApiError unless there are none."""
    if images:
        raise ApiError(400, f"{where}: images cannot be read here, only text", param=where)


def _call(call: ToolCall, otherwise: str) -> dict[str, Any]:
    arguments = call.function.arguments
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    function = {"name": call.function.name, "arguments": arguments}
    return {"id": call.id or otherwise, "type": "function", "function": function}


def _result(message: Message, waiting: list[tuple[str, str]]) -> dict[str, Any]:
    """The id and the name of the call that a result is of, as far as they can be told."""
    wanted, name = message.tool_call_id, message.tool_name
    for n, (each, called) in enumerate(waiting):
        if wanted == each or (wanted is None and name in (None, called)):
            del waiting[n]
            return {"tool_call_id": each, "name": called}
    found = {"tool_call_id": wanted, "name": name}
    return {key: value for key, value in found.items() if value is not None}
