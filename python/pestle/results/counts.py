"""How many tokens a call took, how long it took, and what it did not have to read again."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Usage:
    """How many tokens a call took.

    Attributes:
        prompt_tokens: Tokens of the prompt.
        cached_tokens: Those of the prompt whose keys and values were still there from before.
        completion_tokens: Tokens of the answer.
        reasoning_tokens: Those of the answer that are reasoning, without the control tokens around.
    """

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens

    def to_dict(self) -> dict[str, Any]:
        """The counts, `total_tokens` too, as JSON has them."""
        return {**asdict(self), "total_tokens": self.total_tokens}


@dataclass(frozen=True, slots=True)
class Reuse:
    """What of a prompt did not have to be read again, and what of it had to.

    Attributes:
        reused: Tokens of the prompt that were not read again.
        shared: Tokens that the prompt has in common with one of the texts whose keys and values are
            kept. Where `reused` is less, layers with a window have given back what going on from
            there would need.
        had: Some tokens with which that text goes on, and
        wanted: those of the prompt in their place.
    """

    reused: int
    shared: int
    had: tuple[int, ...] = ()
    wanted: tuple[int, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The two counts, as JSON has them."""
        return {"reused": self.reused, "shared": self.shared}


@dataclass(frozen=True, slots=True)
class Timings:
    """Where the time went, in seconds. The caller's own time between two chunks is not counted.

    Attributes:
        prefill_s: Seconds of reading the prompt.
        prefill_tokens: Tokens of the prompt that were computed, not taken from the cache.
        decode_s: Seconds of writing the answer.
        decode_tokens: Tokens sampled after the first; without speculation, one for each pass.
        first_token_s: Seconds from the start until the first token was sampled; None if none was.
        decode_passes: Forward passes after the prompt's.
        drafted_tokens: Tokens that speculation had such passes verify beside the next one, and
        accepted_tokens: those of them that were right. Both depend on the machine's speed.
    """

    prefill_s: float
    prefill_tokens: int
    decode_s: float
    decode_tokens: int
    first_token_s: float | None
    decode_passes: int
    drafted_tokens: int
    accepted_tokens: int

    @property
    def prefill_tokens_per_s(self) -> float:
        """Speed of reading the prompt, in tokens a second; 0 when nothing was read."""
        return self.prefill_tokens / self.prefill_s if self.prefill_s > 0 else 0.0

    @property
    def decode_tokens_per_s(self) -> float:
        """Speed of writing, in tokens a second; 0 when the answer has fewer than two tokens."""
        return self.decode_tokens / self.decode_s if self.decode_s > 0 else 0.0

    def to_dict(self) -> dict[str, Any]:
        """The fields and both speeds, as JSON has them."""
        return {
            **asdict(self),
            "prefill_tokens_per_s": self.prefill_tokens_per_s,
            "decode_tokens_per_s": self.decode_tokens_per_s,
        }
