"""What the core computes for a sequence of tokens, to be compared with another build's.

    python core_logits.py MODEL KV_TYPE CHUNK THREADS OUTPUT TOKEN...

writes the logits to OUTPUT and what is made of them to OUTPUT.choices, as tests/native/logits.cpp
does, and prints the instruction set. It needs the package that it shall ask, and numpy.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pestle import _core

N_TOP = 5  # as the driver reports


def logits_here(
    path: Path, tokens: Sequence[int], kv_type: str, chunk: int, threads: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Return the logits (tokens, vocabulary), and what is made of them (tokens, 2 * N_TOP + 4)."""
    engine = _core.Engine(
        _core.Model(path, threads=threads), n_ctx=256, threads=threads, kv_type=kv_type
    )
    sequence = engine.sequence()
    sampler = _core.Sampler(seed=7, repeat_penalty=1.1)
    rows, choices = [], []
    for start in range(0, len(tokens), chunk):
        engine.step([(sequence, tokens[start : start + chunk])], logits="all")
        rows.append(engine.logits())
        for row in range(len(rows[-1])):
            history = list(tokens[: start + row + 1])
            drawn = sampler.sample(engine, row, history, N_TOP)
            ids, logprobs = zip(*drawn.top, strict=True)
            (scored,) = engine.score(row, history[-1:])
            choices.append([drawn.token, drawn.logprob, *ids, *logprobs, scored.logprob])
    logits = np.concatenate(rows)
    first = np.broadcast_to(logits[0], logits.shape).copy()
    divergences = _core.compare_logits(logits, first, np.array(tokens, np.int32), 1)[2]
    return logits, np.column_stack([np.array(choices), divergences])


def main(arguments: list[str]) -> None:
    """Compute, write, say by which instruction set."""
    model, kv_type, chunk, threads, output, *tokens = arguments
    given = [int(token) for token in tokens]
    logits, choices = logits_here(Path(model), given, kv_type, int(chunk), int(threads))
    Path(output).write_bytes(logits.tobytes())
    Path(f"{output}.choices").write_bytes(choices.tobytes())
    print(_core.isa())


if __name__ == "__main__":
    main(sys.argv[1:])
