"""Times of streams: until the first token, between tokens, tokens a second."""

from __future__ import annotations

import asyncio
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from load.exchange import Address, Answer, ask

PATH = "/v1/chat/completions"
WORDS = ["the", "sea", "was", "calm", "and", "a", "small", "boat", "came", "home", "with", "news"]


@dataclass(frozen=True)
class Stream:
    """What one stream measured; seconds and tokens.

    arrivals  the times at which its pieces came, the first first
    """

    began: float
    arrivals: list[float]
    prompt_tokens: int
    cached_tokens: int
    tokens: int

    @property
    def first(self) -> float:
        """Seconds until the first token."""
        return self.arrivals[0] - self.began

    def gaps(self, begin: float = 0.0, end: float = float("inf")) -> list[float]:
        """The times between pieces that came within an interval."""
        within = [at for at in self.arrivals if begin <= at <= end]
        return [after - before for before, after in pairwise(within)]


def prompt(words: int, seed: int) -> str:
    """A text that begins as no other one does."""
    draw = random.Random(seed)
    return " ".join([f"({seed})", *(draw.choice(WORDS) for _ in range(words))])


def request(text: str, tokens: int, *, only: Sequence[int] = (), **more: Any) -> dict[str, Any]:
    """A chat that is answered with so many tokens, all of them of `only` if that has any.

    So random weights neither end an answer nor say tokens that are no text by themselves.
    """
    return {
        "messages": [{"role": "user", "content": text}],
        "max_tokens": tokens,
        "temperature": 0.8,
        "logit_bias": {str(token): 100 for token in only},
        "stream": True,
        "stream_options": {"include_usage": True},
        **more,
    }


def plain(encode: Callable[[str], list[int]]) -> list[int]:
    """The ids of tokens that are a word each, by what encodes a text."""
    return sorted({ids[0] for ids in (encode(f" {word}") for word in WORDS) if len(ids) == 1})


async def stream(address: Address, body: dict[str, Any]) -> Stream:
    """Ask for a stream and measure it. Raises RuntimeError where it is refused or broken off."""
    return measured(await ask(address, PATH, body))


def measured(answer: Answer, *, whole: bool = True) -> Stream:
    """What an answer measured. Raises RuntimeError for one that is no stream, and, unless `whole`
    is false, for one that was broken off: its counts are not known.
    """
    if answer.status != 200 or (whole and not answer.whole):
        raise RuntimeError(f"the answer is {answer.status}: {answer.body[:500]!r}")
    arrivals: list[float] = []
    usage: dict[str, Any] = {}
    for at, event in answer.events():
        if "error" in event:
            raise RuntimeError(f"in the stream: {event['error']}")
        usage = event.get("usage") or usage
        if any(_says(choice) for choice in event.get("choices", ())):
            arrivals.append(at)
    if not arrivals:
        raise RuntimeError("a stream without a token")
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
    prompt_tokens, tokens = usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)
    return Stream(answer.began, arrivals, prompt_tokens, cached, tokens)


def _says(choice: dict[str, Any]) -> bool:
    """Whether a chunk brings something that was sampled: a role comes before that."""
    delta = choice.get("delta", {})
    return any(delta.get(name) for name in ("content", "reasoning_content", "tool_calls"))


async def together(
    address: Address, n: int, tokens: int, only: Sequence[int], seed: int
) -> list[Stream]:
    """n streams at once, of short prompts and so many tokens each."""
    asked = [request(prompt(8, seed * n + i), tokens, only=only, seed=i) for i in range(n)]
    return list(await asyncio.gather(*(stream(address, body) for body in asked)))


def rate(streams: Sequence[Stream]) -> float:
    """Tokens a second of all together, while all of them are being written."""
    begin = max(each.arrivals[0] for each in streams)
    end = min(each.arrivals[-1] for each in streams)
    written = 0.0
    for each in streams:
        within = sum(begin < at <= end for at in each.arrivals)
        # A token may come without text, as a part of a character does.
        written += within * (each.tokens - 1) / max(len(each.arrivals) - 1, 1)
    return written / (end - begin)


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that at least `share` of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def summary(streams: Sequence[Stream]) -> dict[str, float]:
    """Figures of streams that ran at once: seconds and tokens a second."""
    gaps = [gap for each in streams for gap in each.gaps()]
    firsts = [each.first for each in streams]
    return {
        "first_p50": statistics.median(firsts),
        "first_p99": percentile(firsts, 0.99),
        "between_p50": statistics.median(gaps),
        "between_p99": percentile(gaps, 0.99),
        "tokens_per_s": rate(streams),
    }
