"""How the kernels round activations, in numpy.

Against quantized weights, a row of fewer than 2048 columns has one scale, its largest number
/ 16319, and integers of 15 bits; of a longer row, every block of 32 columns has a scale, its
largest number / 127. Integers are the numbers times the float32 reciprocal, rounded to nearest
even. What is smaller than 2^-100 throughout counts as zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .formats import FLOATS, Doubles, Floats

WIDE_COLUMNS = 2048
TINY = np.float32(2.0**-100)


@dataclass(frozen=True)
class Rounded:
    values: Doubles
    """scale * integer, exact."""
    error: Doubles
    """How far they may be from the activations."""
    blocks: np.ndarray
    """How many blocks of 32 columns of each row are not zero."""


def is_wide(columns: int) -> bool:
    return columns < WIDE_COLUMNS


def round_activations(name: str, x: Floats) -> Rounded:
    """What a product with weights of format `name` makes of `x` [rows, columns]."""
    rows, columns = x.shape
    if name in FLOATS:
        return Rounded(x.astype(np.float64), np.zeros(x.shape), np.count_nonzero(x, axis=1))
    largest_integer = np.float32(16319 if is_wide(columns) else 127)
    parts = x.reshape(rows, -1, columns if is_wide(columns) else 32)
    largest = np.abs(parts).max(axis=-1, keepdims=True)
    zero = largest < TINY
    safe = np.where(zero, np.float32(1), largest)
    integers = np.where(zero, np.float32(0), np.rint(parts * (largest_integer / safe)))
    scale = (safe / largest_integer).astype(np.float64)
    # Half a step, and three roundings (reciprocal, product, scale) of the largest integer.
    step = scale * (0.5 + 3 * float(largest_integer) * 2.0**-24)
    return Rounded(
        (integers.astype(np.float64) * scale).reshape(x.shape),
        np.where(zero, np.abs(parts), step).astype(np.float64).reshape(x.shape),
        np.count_nonzero(integers.reshape(rows, -1, 32).any(axis=-1), axis=1),
    )
