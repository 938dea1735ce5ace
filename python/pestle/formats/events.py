"""What an answer consists of, in the order in which it comes.

An event is a piece of `Reasoning`, a piece of `Content`, a piece of a call, or a whole `ToolCall`.
Pieces are as small as they come: only all of one kind that follow each other, joined, mean
something. A call whose pieces came has them all before its `ToolCall`, and nothing else between.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    call that is not JSON, is handed on as content, word for word.
    """

    text: str
    warning: str | None = None


@dataclass(frozen=True, slots=True)
class CallPiece:
    """A piece of the arguments of a call of `name`, which is certain to become a `ToolCall`.

    What the pieces of a call say together begins that call's arguments.
    """

    name: str
    arguments: str


Event: TypeAlias = Reasoning | Content | CallPiece | ToolCall
