"""Chats that a template would refuse or cut, in the nearest form that it writes.

Servers get chats of all shapes, and cannot ask back. What is said stays, word for word and in its
order; only who says it changes, and where a message ends. `chat` itself is strict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pestle.chat.messages import checked_messages

if TYPE_CHECKING:
    from pestle.engine.loaded import ChatEncoder
    from pestle.template.roles import Roles

_BETWEEN = "\n\n"  # two messages that become one


def adapted(messages: Any, template: ChatEncoder) -> list[dict[str, Any]]:
    """The messages as `template` can write them:

    - A developer's message becomes a system message where the template has no developers.
    - System messages at the beginning become one where it writes only one, and part of the first
      user message where it writes none.
    - A system message between others becomes a user message where it would be refused, left out or
      moved.
    - User or assistant messages in a row become one where two would be refused or left out.
    - An assistant message with neither content nor calls gets an empty content.

    Raises as `chat` does for what is wrong with messages.
    """
    if isinstance(messages, Sequence) and not isinstance(messages, (str, bytes)):
        messages = [_with_content(message) for message in messages]
    checked = checked_messages(messages, template.source)
    roles = [message["role"] for message in checked]
    in_turn = all(one == "tool" or one != other for one, other in pairwise(roles))
    if in_turn and {"user", "assistant", "tool"}.issuperset(roles):
        return checked  # as most chats are, and every template knows them
    return _Adapter(template.roles).adapt(checked)


class _Adapter:
    def __init__(self, roles: Roles) -> None:
        self._roles = roles

    def adapt(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        leading = ("system", "developer")
        first = next((n for n, m in enumerate(messages) if m["role"] not in leading), len(messages))
        head = [self._leading(message) for message in messages[:first]]
        rest = [self._late(message) for message in messages[first:]]
        if len(head) > 1 and not self._roles.several_systems:
            head = [_merged(head)]
        if head and not self._roles.system and head[0]["role"] == "system":
            rest = [{**message, "role": "user"} for message in head] + rest
            head = []
        return head + self._in_turn(rest)

    def _leading(self, message: dict[str, Any]) -> dict[str, Any]:
        if message["role"] == "developer" and not self._roles.developer:
            return {**message, "role": "system"}
        return message

    def _late(self, message: dict[str, Any]) -> dict[str, Any]:
        role, roles = message["role"], self._roles
        if role == "developer" and not roles.late_developer:
            role = "system"
        if role == "system" and not roles.late_system:
            role = "user"
        return message if role == message["role"] else {**message, "role": role}

    def _in_turn(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        several = {"user": self._roles.several_users, "assistant": self._roles.several_answers}
        found: list[dict[str, Any]] = []
        for message in messages:
            role = message["role"]
            if found and found[-1]["role"] == role and not several.get(role, True):
                found[-1] = _merged([found[-1], message])
            else:
                found.append(message)
        return found


def _merged(messages: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One message of all of them."""
    merged: dict[str, Any] = {}
    for message in messages:
        merged |= message
    for name in ("content", "reasoning_content"):
        said = [message[name] for message in messages if message.get(name)]
        if said:
            merged[name] = _BETWEEN.join(said)
    calls = [call for message in messages for call in message.get("tool_calls") or ()]
    return merged | ({"tool_calls": calls} if calls else {})


def _with_content(message: Any) -> Any:
    if not isinstance(message, Mapping) or message.get("role") != "assistant":
        return message
    if message.get("content") is None and not message.get("tool_calls"):
        return {**message, "content": ""}
    return message
