"""Times one engine inside its process, step for step as llama-bench does."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from speed.plan import Plan, decode_name, prefill_name, tokens


class Engine(Protocol):
    """One sequence of tokens in an engine."""

    n_vocab: int

    def truncate(self, n_tokens: int) -> None:
        """Forget all but the first n_tokens."""

    def advance(self, tokens: Sequence[int]) -> None:
        """Append tokens and wait until the last one's logits are computed."""


Clock = Callable[[], float]


def measure(
    engine: Engine,
    plan: Plan,
    *,
    between: Callable[[], None] = lambda: None,
    clock: Clock = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds by measure. `between` is called before each measure, outside what is timed.

    Not before each repetition: it may empty the caches, and a peer's repetitions find them full.
    """
    seconds: dict[str, list[float]] = {}
    _warm_up(engine)
    if plan.prefill:
        prompt = tokens(0, plan.prefill, engine.n_vocab)
        runs = []
        between()
        for _ in range(plan.repetitions + 1):
            engine.truncate(0)
            start = clock()
            engine.advance(prompt)
            runs.append(clock() - start)
        seconds[prefill_name(plan.prefill)] = runs[1:]
    held = 0
    for depth in sorted(plan.depths):
        between()
        engine.truncate(held)  # a deeper context begins with a less deep one
        if depth > held:
            engine.advance(tokens(held, depth - held, engine.n_vocab))
        seconds[decode_name(plan.decode, depth)] = _decode(engine, plan, depth, clock)
        held = depth
    return seconds


def _warm_up(engine: Engine) -> None:
    """A prompt of one token and a token after it."""
    for token in tokens(0, 2, engine.n_vocab):
        engine.advance([token])
    engine.truncate(0)


def _decode(engine: Engine, plan: Plan, depth: int, clock: Clock) -> list[float]:
    """Tokens after the `depth` that the engine holds.

    llama-bench reads its context anew for each repetition, so at a depth there is one, and the
    reading has warmed it up; without a depth, the first repetition warms up.
    """
    written = tokens(depth, plan.decode, engine.n_vocab)
    runs = []
    for _ in range(1 if depth else plan.repetitions + 1):
        engine.truncate(depth)
        start = clock()
        for token in written:
            engine.advance([token])
        runs.append(clock() - start)
    return runs if depth else runs[1:]
