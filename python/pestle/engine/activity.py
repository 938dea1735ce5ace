"""What is going on: how far a generation is, and what all work on a model comes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Phase: TypeAlias = Literal["waiting", "reading", "answering", "ended"]


@dataclass(frozen=True, slots=True)
class RunStatus:
    """How far a generation is.

    phase          "waiting": it has not begun; "reading": its prompt; "answering"; "ended"
    place          while it waits: how many that came before it wait too
    read_tokens    of the prompt's; what was kept of an earlier text counts as read
    prompt_tokens  how many the prompt has
    cached_tokens  of those that are read: they were kept of an earlier text
    """

    phase: Phase
    place: int
    read_tokens: int
    prompt_tokens: int
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Activity:
    """What a model's engine does, and did since it was loaded.

    running           pieces of work that have begun: answers, prompts, texts that are scored
    waiting           those that have not, or were set aside
    preemptions       how often a piece of work was set aside for want of memory
    prompt_tokens     tokens of prompts that were computed, those that were set aside again too
    generated_tokens  tokens that were chosen
    prefix_queries    tokens of prompts that were looked for among kept texts,
    prefix_hits       and how many of them were found
    kv_used           bytes of keys and values that are held; kept texts count too
    kv_limit          the most that they may be, 0: no limit
    passes            forward passes
    pass_s            seconds that the last one took
    stuck_s           seconds since the engine had work and ended no pass; 0 while it has none
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
