"""What is going on: how far a generation is, and what all work on a model comes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Phase: TypeAlias = Literal["waiting", "reading", "answering", "ended"]


@dataclass(frozen=True, slots=True)
class RunStatus:
    """How far a generation is.

    Attributes:
        phase: "waiting": it has not begun; "reading": its prompt; "answering"; "ended".
        place: While it waits: how many that came before it wait too.
        read_tokens: Tokens of the prompt that are read; those kept of an earlier text count.
        prompt_tokens: Tokens of the prompt.
        cached_tokens: Those of `read_tokens` that were kept of an earlier text.
    """

    phase: Phase
    place: int
    read_tokens: int
    prompt_tokens: int
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Activity:
    """What a model's engine does, and did since it was loaded.

    Attributes:
        running: Pieces of work that have begun: answers, prompts, texts that are scored.
        waiting: Those that have not, or were set aside.
        preemptions: How often a piece of work was set aside for want of memory.
        prompt_tokens: Tokens of prompts that were computed, those that were set aside again too.
        generated_tokens: Tokens that were chosen.
        prefix_queries: Tokens of prompts that were looked for among kept texts.
        prefix_hits: How many of them were found.
        kv_used: Bytes of keys and values that are held; kept texts count too.
        kv_limit: The most bytes that they may be; 0: no limit.
        passes: Forward passes.
        pass_s: Seconds that the last one took.
        stuck_s: Seconds since the engine had work and ended no pass; 0 while it has none.
    """

    running: int
    waiting: int
    preemptions: int
    prompt_tokens: int
    generated_tokens: int
    prefix_queries: int
    prefix_hits: int
    kv_used: int
    kv_limit: int
    passes: int
    pass_s: float
    stuck_s: float

    @property
    def kv_share(self) -> float:
        """Of the memory that there may be for keys and values, what is held; 0 without a limit."""
        return self.kv_used / self.kv_limit if self.kv_limit else 0.0


@dataclass(slots=True)
class Tally:
    """The sums of an `Activity`. Only the scheduler's thread changes them."""

    preemptions: int = 0
    prompt_tokens: int = 0
    generated_tokens: int = 0
    prefix_queries: int = 0
    prefix_hits: int = 0
    passes: int = 0
    pass_s: float = 0.0

    def looked_up(self, tokens: int, found: int) -> None:
        """A prompt of so many tokens began as a kept text does, for `found` of them."""
        self.prefix_queries += tokens
        self.prefix_hits += found
