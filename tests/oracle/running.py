"""Logits out of the core, for one sequence of tokens, in several ways that must agree."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pestle import _core

from .identity import feed

__all__ = ["engine", "feed", "greedy"]


def engine(path: Path, **settings: Any) -> _core.Engine:
    """An engine for all tokens of a case, with exact keys and values unless told otherwise."""
    model = _core.Model(path, threads=1)
    options: dict[str, Any] = {"n_ctx": 1024, "threads": 1, "kv_type": "f32"}
    return _core.Engine(model, **options | settings)


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
