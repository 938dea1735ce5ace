"""The attention that every instruction set computes."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from .formats import Floats

DIMS = ((16, 16), (20, 24), (64, 64), (80, 80), (100, 36), (128, 128), (256, 256))
"""Of keys and values."""
N_KEYS = (
    (1,),
    (63,),
    (64,),
    (65,),
    (128,),
    (200,),
    (1, 2, 63, 64, 65),
    (60,) * 2 + (64,) * 3 + (65,) * 5 + (127, 128, 128, 129, 199, 200),
    tuple(range(169, 201)),
)
SCALES = {"flat": 0.0, "usual": 1.0, "sharp": 8.0, "one-hot": 300.0}
"""Deviation of the scores."""


@dataclass(frozen=True)
class Attention:
    name: str
    q: Floats
    k: Floats
    v: Floats
    n_keys: tuple[int, ...]
    kv_type: str


@functools.cache
def all_attention() -> list[Attention]:
    out = []
    rng = np.random.default_rng(11)
    scales = list(SCALES.items())
    for k_dim, v_dim in DIMS:
        for i, n_keys in enumerate(N_KEYS):
            scale_name, scale = scales[1 if i < 6 else (i + k_dim) % 4]
            keys = n_keys[-1] + 3
            q = rng.standard_normal((len(n_keys), k_dim)) * (scale / np.sqrt(k_dim))
            k = rng.standard_normal((keys, k_dim))
            v = rng.standard_normal((keys, v_dim)) * 10.0 ** rng.integers(-3, 4)
            # Pages are used again and again: what an earlier text left behind must not matter.
            k[n_keys[-1] :] = np.nan
            v[n_keys[-1] :] = np.inf
            arrays = [a.astype(np.float32) for a in (q, k, v)]
            for kv_type in ("f16", "f32"):
                name = f"{kv_type} {k_dim}/{v_dim} {scale_name} keys {n_keys}"
                out.append(Attention(name, *arrays, n_keys, kv_type))
    return out


@functools.cache
def conversions() -> Floats:
    """Float32 numbers whose rounding to f16 is delicate, and any others."""
    halves = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    ties = (halves[:-1] + halves[1:]) / 2  # exact
    beside = [np.nextafter(ties, np.float32(to)) for to in (-np.inf, np.inf)]
    edges = [65519.996, 65520.0, 65536.0, 1e30, np.inf, 1e-30, 1e-45, 2.0**-25, 2.0**-24, np.nan]
    any_bits = np.random.default_rng(3).integers(0, 1 << 32, 20000, dtype=np.uint32)
    some = any_bits.view(np.float32)
    positive = np.concatenate([halves, ties, *beside, np.array(edges, np.float32), abs(some)])
    return np.concatenate([positive, -positive]).astype(np.float32)
