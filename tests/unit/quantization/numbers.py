"""Rows whose numbers are the same on every machine: nothing but exact arithmetic makes them."""

from __future__ import annotations

import numpy as np
from pestle import types
from pestle.types import FLOATS, QUANTIZABLE

TYPES = tuple(kind for kind in QUANTIZABLE if kind not in FLOATS)
WIDTH = {kind: types.TYPES[kind].block_elems for kind in TYPES}


def plain_rows(n: int = 21, columns: int = 1280) -> np.ndarray:
    """Bell-shaped rows whose sizes lie between 2^-20 and 2^9, and some odd ones."""
    rng = np.random.default_rng(11)
    bits = rng.integers(0, 1 << 12, (4, n, columns))
    rows = (bits.sum(axis=0) - 2 * (1 << 12)).astype(np.float32) / 2**12
    rows *= np.ldexp(np.float32(1), rng.integers(-20, 10, (n, 1))).astype(np.float32)
    rows[3] = 0
    rows[4] = 0.375
    rows[5, ::2] = -0.0
    rows[6, 40::64] *= 50  # outliers
    rows[7, :] = np.arange(columns) % 7
    rows[8] = np.ldexp(np.float32(1), -130)  # subnormal
    rows[9] = np.where(bits[0, 9] & 1, 65504, -65504)
    return rows


def importances(columns: int = 1280) -> np.ndarray:
    """Importance between 2^-4 and 2^4; some columns have none."""
    rng = np.random.default_rng(12)
    weights = np.ldexp(np.float32(1), rng.integers(-4, 5, columns)).astype(np.float32)
    weights[::97] = 0
    weights[256:320] = 0  # whole blocks
    return weights
