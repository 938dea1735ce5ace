"""What every instruction set computes number by number."""

from __future__ import annotations

import functools

import numpy as np

from .formats import Floats

ACTIVATIONS = ("silu", "gelu_tanh", "swiglu_oai")
WIDTHS = (1, 7, 15, 16, 17, 31, 32, 100, 576, 2048, 2305)


@functools.cache
def norm_inputs() -> list[tuple[str, Floats, Floats, float]]:
    """Name, x, weight and epsilon."""
    rng = np.random.default_rng(5)
    out = []
    for n in WIDTHS:
        for scale in (0.0, 1e-20, 1e-3, 1.0, 1e4, 1e15):
            x, w = rng.standard_normal((2, n))
            x[0] *= 30
            name = f"{n} of {scale:g}"
            eps = 1e-5 if n % 2 else 1e-6
            out.append((name, (x * scale).astype(np.float32), w.astype(np.float32), eps))
    return out


@functools.cache
def gates() -> tuple[Floats, Floats]:
    """Gates and what they are multiplied with."""
    rng = np.random.default_rng(6)
    edges = [0.0, 1e-45, 1e-38, 1e-20, 86.9, 87.0, 87.1, 88.0, 88.1, 1e4, 1e10, 1e38]
    positive = np.concatenate([edges, np.logspace(-40, 5, 3001), np.linspace(0, 100, 5001)])
    gate = np.concatenate([positive, -positive, [np.inf, np.nan]]).astype(np.float32)
    up = rng.standard_normal(gate.size).astype(np.float32)
    up[::7] *= 10  # some beyond what clamps
    up[gate > 1e30] = 1
    return gate, up


@functools.cache
def router_logits() -> list[tuple[str, Floats]]:
    """Name and logits: some that are far apart, ties, one alone, and what is no number."""
    rng = np.random.default_rng(7)
    out = []
    for n in (1, 5, 16, 17, 64, 128, 257):
        for scale in (1.0, 30.0, 1000.0):
            logits = (scale * rng.standard_normal(n)).astype(np.float32)
            logits[-1] = logits[0]
            out.append((f"{n} of {scale:g}", logits))
    out.append(("minus infinity", np.array([0, -np.inf, 1], np.float32)))
    out.append(("no number", np.array([0, np.nan, 1], np.float32)))
    return out
