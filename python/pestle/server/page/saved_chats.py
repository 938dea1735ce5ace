"""Chats as sessions on this disk, where `pestle chat --session NAME` goes on with them."""

from __future__ import annotations

from typing import Any

from pestle import sessions
from pestle.chat.messages import checked_messages
from pestle.errors import SessionError
from pestle.llm import LLM
from pestle.server.errors import ApiError


def listed() -> dict[str, Any]:
    """The sessions in the user's data folder, the last saved first."""
    return {
        "sessions": [
            {"name": each.name, "bytes": each.size, "modified": each.modified}
            for each in sessions.saved_sessions()
        ]
    }


def save(llm: LLM, name: str, messages: list[dict[str, Any]]) -> dict[str, Any]:
    """Save the messages of a chat, in place of what was saved under that name before.

    Keys and values are not saved: whoever goes on with it reads the chat anew. Raises ApiError.
    """
    conversation = llm.conversation()
    conversation.messages[:] = checked_messages(messages)
    try:
        conversation.save(name)
    except SessionError as error:
        raise ApiError(409, str(error)) from None
    return {}


def opened(name: str) -> dict[str, Any]:
    """The messages of a session. Raises ApiError, and FormatError where the file is damaged."""
    try:
        return {"messages": sessions.read(name).messages}
    except SessionError as error:
        raise ApiError(404, str(error)) from None


def remove(name: str) -> dict[str, Any]:
    """Delete a session. Raises ApiError."""
    try:
        sessions.remove(name)
    except SessionError as error:
        raise ApiError(409, str(error)) from None
    return {}
