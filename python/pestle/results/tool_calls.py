"""Calls of tools that a model asks for."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the model asks for.

    Attributes:
        name: The tool's.
        arguments: JSON, an object, as the model wrote it. Where the answer ends within them, or
            they are not JSON, they are what there is, and the result's `warnings` tell of it.
        builtin: Whether the tool is one that the model was trained with, such as gpt-oss's
            `python`, whose arguments may be any text.
        id: One that no other call of the chat has; it does not count when calls are compared.
    """

    name: str
    arguments: str
    builtin: bool = False
    id: str = field(default="", compare=False)

    def to_dict(self) -> dict[str, Any]:
        """The fields, as JSON has them."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class CallDelta:
    """A piece of a tool call, as it is being written.

    Attributes:
        index: The number of its call, from 0. The pieces of two calls do not overlap.
        id: The call's, in its first piece; empty in the others.
        name: The tool's, in the first piece; empty in the others.
        arguments: A piece of them. Joined they are those of the `ToolCall`.
    """

    index: int
    id: str
    name: str
    arguments: str

    def to_dict(self) -> dict[str, Any]:
        """The fields, as JSON has them."""
        return asdict(self)
