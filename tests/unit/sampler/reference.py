"""What a sampler must choose, written from its documentation in plain Python."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def philox(counter: tuple[int, int, int, int], key: tuple[int, int]) -> tuple[int, int, int, int]:
    """Philox4x32-10 (Salmon et al. 2011)."""
    for _ in range(10):
        a, b = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        counter = (
            (b >> 32) ^ counter[1] ^ key[0],
            b & 0xFFFFFFFF,
            (a >> 32) ^ counter[3] ^ key[1],
            a & 0xFFFFFFFF,
        )
        key = ((key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF)
    return counter


def uniform(seed: int, position: int) -> float:
    """In [0, 1), 53 bits."""
    key = (seed & 0xFFFFFFFF, seed >> 32)
    bits = philox((position & 0xFFFFFFFF, position >> 32, 0, 0), key)
    return ((bits[0] << 21) ^ (bits[1] >> 11)) * 2.0**-53


def candidates(
    logits: Sequence[float] | np.ndarray,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
) -> list[tuple[int, float]]:
    """Tokens that may be drawn and their probabilities, the most likely first."""
    order = sorted(range(len(logits)), key=lambda i: (-float(logits[i]), i))
    order = order[: top_k or None]
    top = float(logits[order[0]])
    plain = [math.exp(float(logits[i]) - top) for i in order]
    n, before = 0, 0.0
    for weight in plain:
        if n > 0 and (before >= top_p * sum(plain) or weight < min_p):
            break
        before += weight
        n += 1
    weights = [math.exp((float(logits[i]) - top) / temperature) for i in order[:n]]
    total = sum(weights)
    return [(i, w / total) for i, w in zip(order, weights, strict=False)]


def drawn(choices: list[tuple[int, float]], u: float) -> tuple[int, float]:
    """The token that `u` falls on, and its distance to the next boundary."""
    end = 0.0
    for token, p in choices:
        end += p
        if u < end:
            return token, min(end - u, u - (end - p))
    return choices[-1][0], 0.0


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """In float64."""
    x = logits.astype(np.float64)
    shifted = x - x.max()
    return shifted - np.log(np.exp(shifted).sum())
