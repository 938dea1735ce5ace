"""What is going on: how far a generation is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Phase: TypeAlias = Literal["waiting", "reading", "answering", "ended"]


@dataclass(frozen=True, slots=True)
class RunStatus:
    """How far a generation is.

    phase          "waiting": it has not begun; "reading": its prompt; "answering"; "ended"
    place          while it waits: how many begin before it
    read_tokens    of the prompt's; what was kept of an earlier text counts as read
    prompt_tokens  how many the prompt has
    cached_tokens  of those that are read: they were kept of an earlier text
    """

    phase: Phase
    place: int
    read_tokens: int
    prompt_tokens: int
    cached_tokens: int = 0
