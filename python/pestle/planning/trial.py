"""A plan beside the truth: the model runs in a process that nothing else has filled."""

from __future__ import annotations

import multiprocessing
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from pestle.options import EngineOptions
from pestle.planning.planned import PROMPT

if TYPE_CHECKING:
    from pestle.footprint import Footprint
    from pestle.llm import LLM

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
    """

    decode: float
    prefill: float
    peak: int | None
    n_ctx: int


def trial_options(options: EngineOptions, n_ctx: int) -> EngineOptions:
    """The options that a trial runs with, of a model with a context of `n_ctx` tokens."""
    return replace(options, n_ctx=min(options.n_ctx or n_ctx, CONTEXT), prefix_cache=0)


def expected_peak(memory: Footprint) -> int:
    """Bytes that a trial is expected to have resident at most, of what `footprint` bounds.

    A third of what the tokenizer is made with is given back before the context is filled.
    """
    loading = memory.program + memory.text + memory.weights + memory.experts
    running = memory.total - memory.text // 3
    return max(loading, running)


def try_out(path: Path, options: EngineOptions) -> Trial:
    """Run a model file with the options of `trial_options`. Raises as loading does."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(run, str(path), options).result()


def run(path: str, options: EngineOptions) -> Trial:
    """The same in this process, whose peak is that of all that it did before."""
    from pestle.llm import LLM

    with LLM(path, **asdict(options)) as llm:
        prompt = min(PROMPT, llm.n_ctx // 2)
        reading, writing = [], []
        for _ in range(_ROUNDS):
            sequence = llm.engine.sequence()
            begin = time.perf_counter()
            _feed(llm, sequence, prompt)
            middle = time.perf_counter()
            for i in range(_DECODED):
                llm.engine.step([(sequence, [_token(llm, i)])])
            reading.append(middle - begin)
            writing.append(time.perf_counter() - middle)
        _feed(llm, sequence, llm.n_ctx - prompt - _DECODED)
        return Trial(
            decode=_DECODED / median(writing),
            prefill=prompt / median(reading),
            peak=_peak(),
            n_ctx=llm.n_ctx,
        )


def _feed(llm: LLM, sequence: object, n_tokens: int) -> None:
    chunk = llm.engine.chunk
    for at in range(0, n_tokens, chunk):
        tokens = [_token(llm, i) for i in range(at, min(at + chunk, n_tokens))]
        llm.engine.step([(sequence, tokens)])


def _token(llm: LLM, position: int) -> int:
    """Token ids that are spread over the vocabulary."""
    return (position * 7919 + 17) % llm.n_vocab


def _peak() -> int | None:
    if sys.platform == "win32":
        return None
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024
