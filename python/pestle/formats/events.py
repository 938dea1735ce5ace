"""What an answer consists of, in the order in which it comes.

An event is a piece of `Reasoning`, a piece of `Content`, or a whole `ToolCall`. Pieces are as small
as they come: only all of one kind that follow each other mean something, which `merged` joins.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

from pestle.results import ToolCall


@dataclass(frozen=True, slots=True)
class Reasoning:
    """A piece of what the model thinks before it answers."""

    text: str


@dataclass(frozen=True, slots=True)
class Content:
    """A piece of what the model says to the user.

    `warning` says what is wrong with it: output that is not of the model's format, such as a tool
    call that is no JSON, is handed on as content, word for word.
    """

    text: str
    warning: str | None = None


Event: TypeAlias = Reasoning | Content | ToolCall


def merged(events: Iterable[Event]) -> list[Event]:
    """The events with pieces of one kind, and of one warning, joined."""
    joined: list[Event] = []
    for event in events:
        last = joined[-1] if joined else None
        if isinstance(event, Reasoning) and isinstance(last, Reasoning):
            joined[-1] = Reasoning(last.text + event.text)
        elif (
            isinstance(event, Content)
            and isinstance(last, Content)
            and event.warning == last.warning
        ):
            joined[-1] = replace(last, text=last.text + event.text)
        else:
            joined.append(event)
    return joined
