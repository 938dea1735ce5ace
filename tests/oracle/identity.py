"""One sequence computed in many ways. Run as a script it prints what `logit_digests` returns.

Usage: python identity.py TOKENS.json FILE...        (in the ISA that PESTLE_ISA names)
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from pestle import _core

THREADS = (1, 2, 3)
CHUNKS = (1, 7, 64, 512)
N_BRANCH = 100
"""Where a cached prefix ends: within the second page of 64 positions."""


def feed(run: _core.Engine, sequence: _core.Sequence, tokens: list[int], chunk: int) -> np.ndarray:
    """Logits (tokens, vocabulary), fed `chunk` tokens at a time."""
    rows = []
    for start in range(0, len(tokens), chunk):
        run.step([(sequence, tokens[start : start + chunk])], logits="all")
        rows.append(run.logits())
    return np.concatenate(rows)


def in_company(
    run: _core.Engine, sequence: _core.Sequence, tokens: list[int], chunk: int
) -> np.ndarray:
    """The same, each step shared with two other sequences at other positions."""
    before, after = run.sequence(), run.sequence()
    run.step([(after, tokens[3:8])], logits="none")
    rows = []
    for start in range(0, len(tokens), chunk):
        part = tokens[start : start + chunk]
        first, last = tokens[5:6], tokens[-3:] if chunk > 1 else tokens[-1:]
        run.step([(before, first), (sequence, part), (after, last)], logits="all")
        rows.append(run.logits()[len(first) : len(first) + len(part)])
    return np.concatenate(rows)


def forked(run: _core.Engine, tokens: list[int], chunk: int) -> np.ndarray:
    """Logits after a prefix that another sequence computed, and went on from."""
    parent = run.sequence()
    feed(run, parent, tokens[:N_BRANCH], 512)
    child = parent.fork(N_BRANCH)
    feed(run, parent, tokens[40:90], 512)
    return feed(run, child, tokens[N_BRANCH:], chunk)


def truncated(run: _core.Engine, tokens: list[int], chunk: int) -> np.ndarray:
    """Logits after taking back a wrong continuation."""
    sequence = run.sequence()
    feed(run, sequence, tokens[:N_BRANCH] + tokens[20:60], 512)
    sequence.truncate(N_BRANCH)
    return feed(run, sequence, tokens[N_BRANCH:], chunk)


def speculated(run: _core.Engine, tokens: list[int], chunk: int) -> np.ndarray:
    """Logits of tokens that were drafted, in passes that drafted wrong ones behind them."""
    sequence, draw, rows = run.sequence(), random.Random(chunk), []
    feed(run, sequence, tokens[:N_BRANCH], chunk)
    while (start := sequence.n_tokens) < len(tokens):
        right = tokens[start : start + draw.randint(1, 9)]
        wrong = [tokens[-1 - i] for i in range(draw.randint(0, 4))]
        run.step([(sequence, right + wrong)], logits="all")
        rows.append(run.logits()[: len(right)])
        sequence.truncate(start + len(right))
    return np.concatenate(rows)


def ways(
    model: _core.Model,
    tokens: list[int],
    n_ctx: int = 256,
    kv_type: str = "i16",
    *,
    threads_chunks: Iterable[tuple[int, int]] = tuple(itertools.product(THREADS, CHUNKS)),
) -> Iterator[tuple[str, np.ndarray]]:
    """A name and the logits of the last tokens (all after N_BRANCH), for every way."""
    for threads, chunk in threads_chunks:
        run = _core.Engine(
            model, n_ctx=n_ctx, threads=threads, threads_prefill=threads, kv_type=kv_type
        )
        where = f"{threads} threads, chunks of {chunk}"
        yield f"{where}, alone", feed(run, run.sequence(), tokens, chunk)[N_BRANCH:]
        yield f"{where}, company", in_company(run, run.sequence(), tokens, chunk)[N_BRANCH:]
        yield f"{where}, forked", forked(run, tokens, chunk)
        yield f"{where}, truncated", truncated(run, tokens, chunk)
        yield f"{where}, speculated", speculated(run, tokens, chunk)


def logit_digest(path: Path, tokens: list[int], kv_type: str, expert_memory: int = 0) -> str:
    """SHA-256 of all logits of `tokens`, from large matrix products and from small ones.

    And of the mean of their hidden states.
    """
    model = _core.Model(path, threads=2, expert_memory=expert_memory)
    run = _core.Engine(model, n_ctx=256, threads=2, kv_type=kv_type)
    sha = hashlib.sha256()
    for chunk in (64, 5, 1):
        sha.update(feed(run, run.sequence(), tokens, chunk).tobytes())
    pooler = run.pooler("mean")
    run.step([(run.sequence(), tokens, pooler)])
    sha.update(pooler.vector().tobytes())
    return sha.hexdigest()


def main() -> None:
    token_file, *files = sys.argv[1:]
    tokens = json.loads(Path(token_file).read_text(encoding="utf-8"))
    digests = {
        f"{Path(file).name} {kv_type}": logit_digest(Path(file), tokens, kv_type)
        for file in files
        for kv_type in ("i16", "f16", "f32", "q8_0")
    }
    for file in files:
        layout = _core.expert_layout(_core.GgufFile(file))
        if layout.n_experts > 0:
            least = layout.bytes(layout.min_slots)
            streamed = logit_digest(Path(file), tokens, "i16", least)
            assert streamed == digests[f"{Path(file).name} i16"], f"{file} streamed"
    json.dump({"isa": _core.isa(), "digests": digests}, sys.stdout)


if __name__ == "__main__":
    main()
