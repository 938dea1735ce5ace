"""Logits out of the core, for one sequence of tokens, in several ways that must agree."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pestle import _core


def engine(path: Path, **settings: Any) -> _core.Engine:
    """An engine for up to 256 tokens, with exact keys and values unless told otherwise."""
    model = _core.Model(path, threads=1)
    return _core.Engine(model, **{"n_ctx": 256, "threads": 1, "kv_type": "f32"} | settings)


def feed(
    run: _core.Engine, sequence: _core.Sequence, tokens: Sequence[int], chunk: int
) -> np.ndarray:
    """Logits (tokens, vocabulary) of `tokens`, fed `chunk` at a time."""
    rows = []
    for start in range(0, len(tokens), chunk):
        run.step([(sequence, list(tokens[start : start + chunk]))], logits="all")
        rows.append(run.logits())
    return np.concatenate(rows)


def greedy(run: _core.Engine, prompt: Sequence[int], n: int) -> list[int]:
    """The `n` most likely tokens after the prompt."""
    sequence = run.sequence()
    out: list[int] = []
    following = list(prompt)
    for _ in range(n):
        run.step([(sequence, following)])
        out.append(int(run.logits()[0].argmax()))
        following = out[-1:]
    return out
