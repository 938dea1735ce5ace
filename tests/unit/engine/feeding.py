"""Tokens in, logits out."""

from __future__ import annotations

import numpy as np
from pestle import _core

from tests.oracle import checkpoints
from tests.oracle.checkpoints import CASES

CASE = CASES["llama-tied"]
TOKENS = checkpoints.tokens(CASE, 200)


def feed(engine: _core.Engine, sequence: _core.Sequence, tokens: list[int]) -> np.ndarray:
    """Logits (vocabulary,) after the last of `tokens`."""
    engine.step([(sequence, tokens)])
    return engine.logits()[0]


def fresh(engine: _core.Engine, tokens: list[int]) -> np.ndarray:
    """The same from a sequence of its own."""
    return feed(engine, engine.sequence(), tokens)


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.tobytes() == b.tobytes()
