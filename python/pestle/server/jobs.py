"""What requests of every dialect come down to, and the events in which it is answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pestle.options import ChatOptions, GenerateOptions
from pestle.results import ChatCompletion, Chunk, Completion


@dataclass(frozen=True)
class ChatJob:
    """A chat to be answered `n` times; the fields are the arguments of `LLM.chat`.

    The answers' seeds are the given one and those that follow it.
    """

    messages: Any
    tools: Any = None
    template_args: Mapping[str, Any] = field(default_factory=dict)
    options: ChatOptions = field(default_factory=lambda: ChatOptions())
    n: int = 1

    @property
    def size(self) -> int:
        """How many answers there will be."""
        return self.n


@dataclass(frozen=True)
class TextJob:
    """Texts to be continued, each `n` times; the fields are the arguments of `LLM.generate`.

    Answer number i * n + k is the k-th one of prompt i.
    """

    prompts: Sequence[Any]
    parse_special: bool = False
    options: GenerateOptions = field(default_factory=lambda: GenerateOptions())
    n: int = 1

    @property
    def size(self) -> int:
        """How many answers there will be."""
        return self.n * len(self.prompts)


Job: TypeAlias = ChatJob | TextJob


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing has come for a while: the answer stands in the queue, `ahead` others before it."""

    ahead: int


@dataclass(frozen=True, slots=True)
class Reading:
    """Nothing has come for a while: `done` of the `total` tokens of the prompt have been read."""

    done: int
    total: int
    cached: int


@dataclass(frozen=True, slots=True)
class Quiet:
    """Nothing has come for a while, though the answer has begun."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A further piece of answer number `index`."""

    index: int
    chunk: Chunk


@dataclass(frozen=True, slots=True)
class Finished:
    """Answer number `index` is complete; all of it, once more."""

    index: int
    result: Completion | ChatCompletion


Event: TypeAlias = Waiting | Reading | Quiet | Piece | Finished
