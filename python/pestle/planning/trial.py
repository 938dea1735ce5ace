"""A plan beside the truth: the model runs in a process that nothing else has filled."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Final

from pestle import _core, memory
from pestle.footprint.items import LOGIT_ROWS
from pestle.options import EngineOptions
from pestle.planning import disk
from pestle.planning.planned import PROMPT

CONTEXT: Final = 2048
"""Tokens of context that a trial fills, so that its memory is comparable."""
_DECODED: Final = 32
_ROUNDS: Final = 3


@dataclass(frozen=True)
class Trial:
    """What was measured.

    decode   tokens a second behind a prompt of `PROMPT` tokens
    prefill  tokens a second of reading that prompt
    peak     bytes that the process had resident at most; None where the system does not say
    n_ctx    tokens of the context, which was filled
    hits     of the experts that decoding asked for, the share that was in memory; None: all are
    """

    decode: float
    prefill: float
    peak: int | None
    n_ctx: int
    hits: float | None = None


def trial_options(options: EngineOptions, n_ctx: int) -> EngineOptions:
    """The options that a trial runs with, of a model with a context of `n_ctx` tokens."""
    return replace(options, n_ctx=min(options.n_ctx or n_ctx, CONTEXT), prefix_cache=0)


def try_out(path: Path, options: EngineOptions, expert_memory: int = 0) -> Trial:
    """Run a model file with the options of `trial_options`. Raises as loading does.

    expert_memory: bytes for experts that are streamed; 0: all are in memory.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(run, str(path), options, expert_memory).result()


def run(path: str, options: EngineOptions, expert_memory: int) -> Trial:
    """The same in this process, whose peak is that of all that it did before."""
    if expert_memory:
        # The core alone: what a tokenizer takes is not part of it.
        disk.forget(_core.GgufFile(path).paths)
        threads = options.threads_prefill or options.threads
        model = _core.Model(path, threads=threads, expert_memory=expert_memory)
        return _measured(model, _core.Engine(model, **options.of_core()))
    from pestle.llm import LLM

    with LLM(path, **asdict(options)) as llm:
        return _measured(llm.model, llm.engine)


def _measured(model: _core.Model, engine: _core.Engine) -> Trial:
    def feed(sequence: _core.Sequence, begin: int, end: int) -> None:
        for at in range(begin, end, engine.chunk):
            some = range(at, min(at + engine.chunk, end))
            # Token ids that are spread over the vocabulary.
            engine.step([(sequence, [(i * 7919 + 17) % model.n_vocab for i in some])])

    prompt = min(PROMPT, engine.n_ctx // 2)
    reading, writing, asked, hits = [], [], 0, 0
    for _ in range(_ROUNDS):
        sequence = engine.sequence()
        begin = time.perf_counter()
        feed(sequence, 0, prompt)
        middle = time.perf_counter()
        before = model.expert_traffic
        for at in range(prompt, prompt + _DECODED):
            feed(sequence, at, at + 1)
        writing.append(time.perf_counter() - middle)
        reading.append(middle - begin)
        after = model.expert_traffic
        if before is not None and after is not None:
            asked, hits = asked + after.asked - before.asked, hits + after.hits - before.hits
    feed(sequence, prompt + _DECODED, engine.n_ctx)
    # As many rows of logits as drafts ask for, each of which is copied.
    some = [i % model.n_vocab for i in range(min(LOGIT_ROWS, engine.n_ctx))]
    sequence = engine.sequence()
    engine.step([(sequence, some)], "all")
    engine.logits()
    return Trial(
        decode=_DECODED / median(writing),
        prefill=prompt / median(reading),
        peak=memory.peak(),
        n_ctx=engine.n_ctx,
        hits=hits / asked if asked else None,
    )
