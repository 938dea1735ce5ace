"""How much of the engine's speed with many rows reaches those who generate at the same time.

    python tools/bench_together.py FILE.gguf [--sequences 1 2 4 8 16] [--ways list threads asyncio]
        [--tokens 48] [--rounds 3] [--threads N]

For each number of sequences, in turns: bare `_core.Engine.step` calls with as many rows, and the
same number of answers through `LLM`, each way. Tokens a second, medians over the rounds, of
decoding alone: prompts are short, and what reading them took is not counted.

    python tools/bench_together.py FILE.gguf --per-token 100 32000

The time of a token outside the forward pass at those lengths of text, in microseconds. After each
pass memory is read that no cache holds: a long text's keys and values leave the caches to nothing
else, and what that costs the interpreter is not what is asked for.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from pestle import LLM

_COLD = 96 << 20  # bytes: more than caches hold
PROMPT = [*range(100, 108)]
OPTIONS: dict[str, Any] = {"temperature": 0.8, "speculation": False}


def bare(llm: LLM, n: int, tokens: int) -> float:
    """Tokens a second of bare steps with n rows."""
    engine = llm.engine
    sequences = [engine.sequence() for _ in range(n)]
    engine.step([(sequence, PROMPT, "none") for sequence in sequences])
    began = time.perf_counter()
    for token in range(tokens):
        engine.step([(sequence, [300 + token], "last") for sequence in sequences])
    return n * tokens / (time.perf_counter() - began)


def as_list(llm: LLM, asked: list[dict[str, Any]]) -> None:
    # One call takes one set of options: the seeds are drawn.
    options = {name: value for name, value in asked[0].items() if name != "seed"}
    llm.generate_all([PROMPT] * len(asked), **options)


def in_threads(llm: LLM, asked: list[dict[str, Any]]) -> None:
    def work(options: dict[str, Any]) -> None:
        for _ in llm.generate(PROMPT, stream=True, **options):
            pass

    threads = [threading.Thread(target=work, args=(options,)) for options in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def in_asyncio(llm: LLM, asked: list[dict[str, Any]]) -> None:
    async def one(options: dict[str, Any]) -> None:
        async for _ in llm.agenerate(PROMPT, stream=True, **options):
            pass

    async def main() -> None:
        await asyncio.gather(*(one(options) for options in asked))

    asyncio.run(main())


WAYS: dict[str, Callable[[LLM, list[dict[str, Any]]], None]] = {
    "list": as_list,
    "threads": in_threads,
    "asyncio": in_asyncio,
}


def shared(llm: LLM, way: str, n: int, tokens: int) -> float:
    """Tokens a second of n answers at a time: what further tokens take."""
    # No end of an answer: all go on to their last token.
    never = dict.fromkeys(llm.tokenizer.eog_ids, float("-inf"))

    def took(length: int) -> float:
        asked = [
            {**OPTIONS, "seed": i, "max_tokens": length, "logit_bias": never} for i in range(n)
        ]
        began = time.perf_counter()
        WAYS[way](llm, asked)
        return time.perf_counter() - began

    short = 4
    return n * tokens / max(took(short + tokens) - took(short), 1e-9)


def compare(llm: LLM, counts: list[int], ways: list[str], tokens: int, rounds: int) -> None:
    print(f"{'sequences':>9}  {'bare':>8}" + "".join(f"  {way:>16}" for way in ways))
    for n in counts:
        found: dict[str, list[float]] = {"bare": [], **{way: [] for way in ways}}
        for _ in range(rounds):
            found["bare"].append(bare(llm, n, tokens))
            for way in ways:
                found[way].append(shared(llm, way, n, tokens))
        of = {name: statistics.median(values) for name, values in found.items()}
        row = "".join(f"  {of[way]:8.1f} ({of[way] / of['bare']:5.1%})" for way in ways)
        print(f"{n:9}  {of['bare']:8.1f}{row}", flush=True)


def outside(llm: LLM, length: int, tokens: int) -> float:
    """Seconds of a token that are not spent in a step, behind so many tokens of text: a median."""
    engine = llm.engine
    passes: list[tuple[float, float]] = []  # when each began and ended
    memory = np.ones(_COLD, np.uint8)

    class Timed:
        """The engine, which notes when its steps were."""

        def __getattr__(self, name: str) -> Any:
            return getattr(engine, name)

        def step(self, batch: Any) -> int:
            began = time.perf_counter()
            rows = engine.step(batch)
            memory.sum()  # caches as cold behind short texts as behind long ones
            passes.append((began, time.perf_counter()))
            return rows

    prompt = (PROMPT * (length // len(PROMPT) + 1))[:length]
    never = dict.fromkeys(llm.tokenizer.eog_ids, float("-inf"))
    llm._runtime.scheduler._engine = Timed()
    try:
        llm.generate(prompt, max_tokens=tokens, logit_bias=never, **OPTIONS)
        between = [after[0] - before[1] for before, after in itertools.pairwise(passes[-tokens:])]
        return statistics.median(between)
    finally:
        llm._runtime.scheduler._engine = engine


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", nargs="?")
    parser.add_argument("--sequences", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument(
        "--ways", nargs="+", choices=sorted(WAYS), default=["list", "threads", "asyncio"]
    )
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--per-token", type=int, nargs="+")
    given = parser.parse_args()
    with LLM(given.file, threads=given.threads, n_ctx=max(given.per_token or [0]) + 400) as llm:
        if given.per_token:
            for _ in range(given.rounds):
                print(*(f"{n}: {outside(llm, n, 200) * 1e6:.0f} us" for n in given.per_token))
        else:
            compare(llm, given.sequences, given.ways, given.tokens, given.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
