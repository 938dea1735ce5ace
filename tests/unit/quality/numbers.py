"""The figures again, by the book and in numpy."""

from __future__ import annotations

import numpy as np

Floats = np.ndarray


def log_softmax(logits: Floats) -> Floats:
    """Along the last axis, in float64 with the largest logit taken off."""
    values = logits.astype(np.float64)
    values -= values.max(axis=-1, keepdims=True)
    return values - np.log(np.exp(values).sum(axis=-1, keepdims=True))


def losses(logits: Floats, following: Floats) -> Floats:
    return -log_softmax(logits)[np.arange(len(logits)), following]


def divergence(reference: Floats, logits: Floats) -> Floats:
    p, q = log_softmax(reference), log_softmax(logits)
    return (np.exp(p) * (p - q)).sum(axis=-1)


def random_logits(n: int, n_vocab: int, *, scale: float, seed: int) -> Floats:
    random = np.random.default_rng(seed)
    return (scale * random.standard_normal((n, n_vocab))).astype(np.float32)
