"""Messages as callers write them, checked before a chat template sees them.

A template is a program of the model's publisher: a message that it does not expect makes it fail
with a text of its own, or is left out silently. So what is wrong is found here, and named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pestle.errors import ArgumentError, ArgumentTypeError, shown

ROLES = ("system", "developer", "user", "assistant", "tool")
_KEYS = ("role", "content", "name", "reasoning_content", "tool_calls", "tool_call_id")
# What other programs put there for a model to read: to leave it out would be to lose it.
_UNREAD = ("audio", "files", "image", "images", "video", "videos")
_ELSEWHERE = {
    "function_call": "tool_calls",
    "reasoning": "reasoning_content",
    "thinking": "reasoning_content",
    "tool_name": "name",
}
_ROLES_ELSEWHERE = {
    "ai": "assistant",
    "bot": "assistant",
    "function": "tool",
    "human": "user",
    "model": "assistant",
}
# Where other programs have what a message says, and who says it.
_CONTENTS = ("message", "parts", "prompt", "text", "value")
_AUTHORS = ("author", "from", "sender", "speaker")
_TYPO = 0.8  # how like a key another one has to be; most others are simply other keys
_EXAMPLE = '[{"role": "user", "content": "Hello!"}]'
_TEXTS_ELSEWHERE = ("input_text", "output_text")  # of another API of OpenAI's
_MAY_BE_EMPTY = ("assistant", "tool")  # what they say may be nothing at all
_BETWEEN_PARTS = "\n"
_QUOTED = re.compile(r"""(['"])(\w+)\1|\.(\w+)""")


def checked_messages(messages: Any, template: str = "") -> list[dict[str, Any]]:
    """`messages` as a chat template takes them: each with a role, its content as text.

    The text parts of a content that is a list, as the OpenAI API has it, are joined with line ends.
    Roles and keys beyond the API's are the template's own: `template` is its source, which names
    them. Further keys are the caller's, unless they look like a mistake or hold what the model was
    to read. Raises ArgumentError, and ArgumentTypeError for a value of the wrong type.
    """
    if isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Sequence):
        raise ArgumentTypeError(
            f"messages is {shown(messages)}, expected a list of messages such as {_EXAMPLE}"
        )
    if not messages:
        raise ArgumentError(f"messages is empty, expected one at least, such as {_EXAMPLE}")
    if isinstance(messages[0], (list, tuple)):
        raise ArgumentTypeError("messages is a list of chats, expected one; chat_all takes several")
    named = {match[2] or match[3] for match in _QUOTED.finditer(template)}
    return [_checked(f"messages[{n}]", message, named) for n, message in enumerate(messages)]


def _checked(where: str, message: Any, named: set[str]) -> dict[str, Any]:
    if not isinstance(message, Mapping):
        raise ArgumentTypeError(
            f"{where} is {shown(message)}, expected a mapping with role and content"
        )
    for key, value in message.items():
        if value is not None and key not in _KEYS and key not in named:
            _refuse_key(where, str(key))
    checked = {**message, "role": _role(where, message, named)}
    calls = message.get("tool_calls")
    if calls is not None:
        check_calls(f"{where}: tool_calls", calls)
    content = message.get("content")
    if content is None and not calls:
        raise ArgumentError(f"{where} has no content{_instead(message, _CONTENTS, 'content')}")
    if content is not None:
        content = _text(f"{where}: content", content, may_be_empty=checked["role"] in _MAY_BE_EMPTY)
    checked["content"] = content
    for key in ("name", "reasoning_content", "tool_call_id"):
        if not isinstance(message.get(key), (str, type(None))):
            raise ArgumentTypeError(f"{where}: {key} is {shown(message[key])}, expected a string")
    return checked


def _refuse_key(where: str, key: str) -> None:
    """Raise ArgumentError for a key that is misspelt, or whose value nobody would read."""
    elsewhere = _ELSEWHERE.get(key)
    meant = f"; did you mean {elsewhere}?" if elsewhere else _nearest(key, _KEYS, _TYPO)
    if meant:
        raise ArgumentError(f"{where} has the unknown key {shown(key)}{meant}")
    if key in _UNREAD:
        raise ArgumentError(f"{where} has {key}, which the chat template does not read")


def _role(where: str, message: Mapping[str, Any], named: set[str]) -> str:
    role = message.get("role")
    if role is None:
        instead = _instead(message, _AUTHORS, "role")
        raise ArgumentError(f"{where} has no role, expected {', '.join(ROLES)}{instead}")
    if not isinstance(role, str):
        raise ArgumentTypeError(f"{where}: role is {shown(role)}, expected {', '.join(ROLES)}")
    if role not in ROLES and role not in named:
        elsewhere = _ROLES_ELSEWHERE.get(role.lower())
        meant = f"; did you mean {elsewhere}?" if elsewhere else _nearest(role, ROLES)
        raise ArgumentError(f"{where}: role is {shown(role)}, expected {', '.join(ROLES)}{meant}")
    return role


def _instead(message: Mapping[str, Any], keys: Sequence[str], meant: str) -> str:
    """What to write where a message has one of `keys` in place of the one that is `meant`."""
    found = next((key for key in keys if message.get(key) is not None), None)
    return "" if found is None else f"; did you mean {meant}, not {found}?"


def _nearest(word: str, known: Sequence[str], cutoff: float = 0.6) -> str:
    from pestle.suggest import did_you_mean  # brings difflib

    return did_you_mean(word, known, cutoff=cutoff)


def _text(where: str, content: Any, *, may_be_empty: bool) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, (bytes, Mapping)) or not isinstance(content, Sequence):
        raise ArgumentTypeError(
            f"{where} is {shown(content)}, expected a string or a list of text parts"
        )
    if not content and not may_be_empty:
        raise ArgumentError(f"{where} is empty, expected a string or text parts")
    return _BETWEEN_PARTS.join(_part(f"{where}[{n}]", part) for n, part in enumerate(content))


def _part(where: str, part: Any) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping):
        raise ArgumentTypeError(f"{where} is {shown(part)}, expected a text part")
    kind = part.get("type")
    if kind != "text":
        if kind is None:
            raise ArgumentError(f'{where} has no type, expected "text"')
        meant = "; did you mean text?" if kind in _TEXTS_ELSEWHERE else ""
        raise ArgumentError(
            f"{where} is of the type {shown(kind)}; only text parts can be read{meant}"
        )
    text = part.get("text")
    if not isinstance(text, str):
        raise ArgumentTypeError(f"{where}: text is {shown(text)}, expected a string")
    return text


def check_calls(where: str, calls: Any) -> None:
    """Raise ArgumentError unless `calls` are tool calls as the OpenAI API has them."""
    if isinstance(calls, (str, bytes, Mapping)) or not isinstance(calls, Sequence):
        raise ArgumentTypeError(f"{where} is {shown(calls)}, expected a list of calls")
    for n, call in enumerate(calls):
        here = f"{where}[{n}]"
        if not isinstance(call, Mapping):
            raise ArgumentTypeError(f"{here} is {shown(call)}, expected a mapping")
        function = call.get("function")
        if not isinstance(function, Mapping):
            said = "has no function" if function is None else f"has the function {shown(function)}"
            raise ArgumentError(f"{here} {said}, expected its name and arguments")
        name, arguments = function.get("name"), function.get("arguments", {})
        if not isinstance(name, str) or not name:
            raise ArgumentError(f"{here}: the function's name is {shown(name)}, expected a string")
        if not isinstance(arguments, (str, Mapping)):
            raise ArgumentTypeError(
                f"{here}: the arguments are {shown(arguments)}, expected JSON text or a mapping"
            )
        if not isinstance(call.get("id"), (str, type(None))):
            raise ArgumentTypeError(f"{here}: id is {shown(call['id'])}, expected a string")
