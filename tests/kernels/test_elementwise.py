"""RMS norm and SwiGLU against float64, over all sizes of numbers."""

from __future__ import annotations

import numpy as np

from .conftest import Results
from .elementwise import gates, norm_inputs

U = 2.0**-24


def test_rms_norm(isa: str, results: Results) -> None:
    for name, x, w, eps in norm_inputs():
        exact, weight = x.astype(np.float64), w.astype(np.float64)
        expected = exact / np.sqrt((exact**2).mean() + np.float64(np.float32(eps))) * weight
        # 16 lanes of fmas, four additions of lanes, of which the root halves the error; then the
        # mean, epsilon, root, reciprocal and two products.
        bound = ((x.size / 16 + 5) / 2 + 6) * U * np.abs(expected)
        assert (np.abs(results[f"rms_norm {name}"] - expected) <= bound).all(), name


def test_silu_mul(isa: str, results: Results) -> None:
    gate, up = gates()
    got = results["silu_mul"]
    finite = np.isfinite(gate)
    g, u = gate[finite].astype(np.float64), up[finite].astype(np.float64)
    with np.errstate(over="ignore"):
        expected = g / (1 + np.exp(-g)) * u
    # exp, the sum, the quotient and the product. exp ends at e^88, so the far left is not quite 0;
    # a denormal quotient is off by up to 2^-150, times |u| < 8.
    bound = (2e-7 + 4 * U) * np.abs(expected) + np.abs(g * u) * np.exp(-87.0) + 2.0**-146
    assert (np.abs(got[finite] - expected) <= bound).all()
    assert got[gate == np.inf].tolist() == [np.inf]
    assert np.isnan(got[np.isnan(gate)]).all()
