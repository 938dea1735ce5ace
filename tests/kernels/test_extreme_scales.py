"""Products with the largest and smallest scales of each type: the right number, or none at all."""

from __future__ import annotations

import numpy as np
import pytest
from pestle import _core

from .formats import LAYOUTS, Bytes, block_size, dequantize, minima, set_half, to_rows

TINY = 2.0**-100
"""Activations below it count as zero."""
LARGEST = float(np.finfo(np.float32).max)
EXPONENTS = [0, 1, 2, 27, 127, 159, 200, 227, 240, 253, 254]
"""Of MXFP4; models with more than 159 are refused."""


def blocks(rng: np.random.Generator, name: str, columns: int, scale: int) -> Bytes:
    """Sixteen rows of any bits, all with one of the extreme scales."""
    width, size = block_size(name)
    out = rng.integers(0, 256, (16, columns // width, size), dtype=np.uint8)
    if name == "MXFP4":
        out[..., 0] = scale
    for at in LAYOUTS[name].halves:
        set_half(out, at, [65504.0, -65504.0, 2.0**-24, -(2.0**-14), 0.0][scale])
    return out


@pytest.mark.parametrize("columns", [256, 2048])  # of 15 bits, and of 8
@pytest.mark.parametrize("name", LAYOUTS)
def test_right_or_not_finite(name: str, columns: int) -> None:
    rng = np.random.default_rng([len(name), columns])
    powers = 2.0 ** np.array([[-126], [-101], [-99], [-40], [0], [40], [90], [126]])
    x = (rng.uniform(-1, 1, (8, columns)) * powers).astype(np.float32)
    finite = 0
    for scale in EXPONENTS if name == "MXFP4" else range(5):
        rows = to_rows(blocks(rng, name, columns, scale))
        got = _core.kernels.PackedMatrix(name, rows, columns).multiply(x)[0].astype(np.float64)
        weights = dequantize(name, rows).astype(np.float64)
        minimum = minima(name, rows).astype(np.float64)
        if not np.isfinite(weights).all():  # what float32 does not hold
            weights = 2.0 ** (scale - 127) * dequantize(name, one_in_place_of(rows)).astype(float)
        magnitude = np.abs(weights - minimum) + np.abs(minimum)
        exact, terms = x.astype(np.float64) @ weights.T, np.abs(x).astype(np.float64) @ magnitude.T
        largest = np.abs(x).reshape(8, -1, columns if columns < 2048 else 32).max(axis=2)
        step = largest.astype(np.float64) / (16319 if columns < 2048 else 127)
        steps = np.repeat(step, columns // step.shape[1], axis=1)
        bound = 0.51 * steps @ magnitude.T + 1e-4 * terms + TINY * magnitude.sum(axis=1)
        right = np.abs(got - exact) <= bound + 2.0**-120
        assert (right | ~np.isfinite(got)).all(), (name, scale)
        # Wide rows are scaled at the end only: sums of integers up to 2^14 come first. Minima are
        # multiplied with the sum of 32 activations.
        small = (terms < LARGEST / 2) & (2.0**14 * magnitude.sum(axis=1) < LARGEST / 2)
        small &= 32 * largest.max(axis=1)[:, None].astype(np.float64) < LARGEST
        assert right[small].all(), (name, scale)
        finite += int(small.sum())
    assert finite > 100


def one_in_place_of(rows: Bytes) -> Bytes:
    """MXFP4's rows with scales of 1."""
    out = rows.reshape(rows.shape[0], -1, block_size("MXFP4")[1]).copy()
    out[..., 0] = 127
    return to_rows(out)
