"""Conversations that outgrow the context: whole turns go, the oldest first."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Any

Messages = list[dict[str, Any]]

_PART = 8  # of the context: what an answer shall find free
_LEADING = ("system", "developer")


def slide(
    messages: Messages,
    count: Callable[[Messages], int],
    n_ctx: int,
    max_tokens: int | None = None,
) -> tuple[Messages, Messages]:
    """(messages whose prompt fits, those that were dropped).

    `count` tells how many tokens the prompt of messages has. A turn is a user's message and all
    that follows it up to the next one, tool rounds included. The system's messages at the start
    and the last turn are never dropped: the last may be too long all the same. Where turns have to
    go, twice the room that an answer wants is made: what is left is read anew, so seldom.
    """
    room = n_ctx // _PART if max_tokens is None else min(n_ctx // _PART, max_tokens)
    if count(messages) + room <= n_ctx:
        return messages, []
    head = next((i for i, m in enumerate(messages) if m.get("role") not in _LEADING), 0)
    users = [i for i, m in enumerate(messages) if m.get("role") == "user" and i > head]
    if not users:
        return messages, []

    def fits(start: int) -> bool:
        return count(messages[:head] + messages[start:]) + 2 * room <= n_ctx

    start = users[min(bisect_left(users, True, key=fits), len(users) - 1)]
    return messages[:head] + messages[start:], messages[head:start]
