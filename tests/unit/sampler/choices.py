"""The table of logits that these tests sample from, and ways to sample."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from pestle import _core

VOCABULARY = 48
RANDOM, FLAT, TIES, FALLING, NEGATIVE = range(5)
"""The rows of the table."""
UNCUT: dict[str, Any] = {"top_k": 0, "top_p": 1.0, "min_p": 0.0}


def table() -> np.ndarray:
    rng = np.random.default_rng(1)
    rows = np.zeros((5, VOCABULARY), np.float32)
    rows[RANDOM] = 2 * rng.standard_normal(VOCABULARY)
    rows[TIES] = rng.integers(-2, 2, VOCABULARY)
    rows[TIES, [9, 21, 40]] = 3
    rows[FALLING, rng.permutation(VOCABULARY)] = 4 - 0.25 * np.arange(VOCABULARY)
    rows[NEGATIVE] = -1 - np.arange(VOCABULARY)
    return rows


def sample(engine: _core.Engine, row: int, history: list[int], **options: Any) -> int:
    return _core.Sampler(**options).sample(engine, row, history).token


def draws(engine: _core.Engine, row: int, n: int, **options: Any) -> Counter[int]:
    """How often each token came, over n positions of one seed."""
    sampler = _core.Sampler(**options)
    return Counter(sampler.sample(engine, row, [0] * i).token for i in range(n))


def best(row: np.ndarray) -> list[int]:
    """Ids, the most likely first."""
    return np.argsort(-row, kind="stable").tolist()
