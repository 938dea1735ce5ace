"""From the items of an input to the messages of a chat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pestle.errors import shown
from pestle.server.dialects.responses.tools import full_name
from pestle.server.errors import ApiError

_TEXTS = {"input_text": "text", "output_text": "text", "text": "text", "refusal": "refusal"}
_ROLES = ("user", "assistant", "system", "developer")
_READ = "message, reasoning, function_call, function_call_output"


def messages(given: str | Sequence[Any], instructions: str | None) -> list[dict[str, Any]]:
    """The messages that an input stands for, behind the instructions. Raises ApiError.

    What a model said between two other items is one message: its reasoning, its texts, its calls.
    That is how it wrote them, and how the next turn finds them in the prefix cache.
    """
    chat = _Chat()
    if instructions is not None:
        chat.add({"role": "system", "content": instructions})
    if isinstance(given, str):
        chat.add({"role": "user", "content": given})
    else:
        for n, item in enumerate(given):
            _take(chat, f"input[{n}]", item)
    return chat.messages


class _Chat:
    """A chat that grows by items."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self._names: dict[str, str] = {}  # by the ids of calls

    def add(self, message: dict[str, Any]) -> None:
        self.messages.append(message)

    def say(self, texts: list[dict[str, Any]]) -> None:
        """Add to what the model said."""
        self._turn()["content"] += texts

    def think(self, text: str) -> None:
        """Add to what the model thought."""
        turn = self._turn()
        turn["reasoning_content"] = turn.get("reasoning_content", "") + text

    def call(self, call_id: str, name: str, arguments: str) -> None:
        """Add a call of the model."""
        self._names[call_id] = name
        function = {"name": name, "arguments": arguments}
        calls = self._turn().setdefault("tool_calls", [])
        calls.append({"id": call_id, "type": "function", "function": function})

    def answer_call(self, where: str, call_id: str, content: Any) -> None:
        """Add what a call gave."""
        if call_id not in self._names:
            raise _wrong(f"{where}: call_id is {shown(call_id)}, which no call before it has")
        name = self._names[call_id]
        self.add({"role": "tool", "tool_call_id": call_id, "name": name, "content": content})

    def _turn(self) -> dict[str, Any]:
        if not self.messages or self.messages[-1]["role"] != "assistant":
            self.add({"role": "assistant", "content": []})
        return self.messages[-1]


def _take(chat: _Chat, where: str, item: Any) -> None:
    if not isinstance(item, Mapping):
        raise _wrong(f"{where} is {shown(item)}, expected an item")
    kind = item.get("type", "message" if "role" in item else None)
    if kind == "message":
        _take_message(chat, where, item)
    elif kind == "reasoning":
        if text := _thought(where, item):
            chat.think(text)
    elif kind == "function_call":
        name, arguments = _text(where, item, "name"), _text(where, item, "arguments")
        name = full_name(item.get("namespace"), name)
        chat.call(_text(where, item, "call_id"), name, arguments)
    elif kind == "function_call_output":
        output = _content(f"{where}: output", item.get("output"))
        chat.answer_call(where, _text(where, item, "call_id"), output)
    elif kind == "item_reference":
        raise _wrong(f"{where} is an item_reference, but nothing is stored here: give the item")
    else:
        raise _wrong(f"{where} is of the type {shown(kind)}, expected {_READ}")


def _take_message(chat: _Chat, where: str, item: Mapping[str, Any]) -> None:
    role = item.get("role")
    if role not in _ROLES:
        raise _wrong(f"{where}: role is {shown(role)}, expected {', '.join(_ROLES)}")
    content = _content(f"{where}: content", item.get("content"))
    if role == "assistant":
        chat.say(content)
    else:
        chat.add({"role": role, "content": content})


def _content(where: str, content: Any) -> list[dict[str, Any]]:
    """The text parts of a content."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise _wrong(f"{where} is {shown(content)}, expected a string or a list of parts")
    return [_part(f"{where}[{n}]", part) for n, part in enumerate(content)]


def _part(where: str, part: Any) -> dict[str, Any]:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if not isinstance(kind, str) or kind not in _TEXTS:
        found = shown(part) if kind is None else f"of the type {shown(kind)}"
        raise _wrong(f"{where} is {found}; only text parts can be read")
    return {"type": "text", "text": _text(where, part, _TEXTS[kind])}


def _thought(where: str, item: Mapping[str, Any]) -> str:
    """What was thought; where that was given as a summary, it is all of it.

    What another server encrypted, nobody can read here: without a text, an item says nothing.
    """
    parts = item.get("content") or item.get("summary") or []
    if not isinstance(parts, list) or not all(isinstance(part, Mapping) for part in parts):
        raise _wrong(f"{where}: the reasoning is {shown(parts)}, expected a list of parts")
    return "\n\n".join(_text(where, part, "text") for part in parts)


def _text(where: str, item: Mapping[str, Any], name: str) -> str:
    value = item.get(name)
    if not isinstance(value, str):
        raise _wrong(f"{where}: {name} is {shown(value)}, expected a string")
    return value


def _wrong(said: str) -> ApiError:
    return ApiError(400, said, param="input")
