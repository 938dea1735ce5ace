"""Norms, activation functions and a router's softmax against float64, over all sizes of numbers."""

from __future__ import annotations

import numpy as np

from .conftest import Results
from .elementwise import gates, norm_inputs, router_logits

U = 2.0**-24


def test_rms_norm(isa: str, results: Results) -> None:
    for name, x, w, eps in norm_inputs():
        exact, weight = x.astype(np.float64), w.astype(np.float64)
        expected = exact / np.sqrt((exact**2).mean() + np.float64(np.float32(eps))) * weight
        # 16 lanes of fmas, four additions of lanes, of which the root halves the error; then the
        # mean, epsilon, root, reciprocal and two products.
        bound = ((x.size / 16 + 5) / 2 + 6) * U * np.abs(expected)
        assert (np.abs(results[f"rms_norm {name}"] - expected) <= bound).all(), name


def _finite_gates() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    gate, up = gates()
    finite = np.isfinite(gate)
    return finite, gate[finite].astype(np.float64), up[finite].astype(np.float64)


def test_silu(isa: str, results: Results) -> None:
    finite, g, u = _finite_gates()
    got = results["silu"]
    with np.errstate(over="ignore"):
        expected = g / (1 + np.exp(-g)) * u
    # exp, the sum, the quotient and the product. exp ends at e^88, so the far left is not quite 0;
    # a denormal quotient is off by up to 2^-150, times |u| < 64.
    bound = (2e-7 + 4 * U) * np.abs(expected) + np.abs(g * u) * np.exp(-87.0) + 2.0**-143
    assert (np.abs(got[finite] - expected) <= bound).all()
    gate, _ = gates()
    assert got[gate == np.inf].tolist() == [np.inf]
    assert np.isnan(got[np.isnan(gate)]).all()


def test_gelu_tanh(isa: str, results: Results) -> None:
    finite, g, u = _finite_gates()
    got = results["gelu_tanh"]
    # x / 2 (1 + tanh(y)) without its cancellation on the left.
    y = 2 * np.sqrt(2 / np.pi) * (g + 0.044715 * g**3)
    with np.errstate(over="ignore"):
        expected = g / (1 + np.exp(-y)) * u
    # The argument of exp is off by some roundings, which count as often as it is large.
    slack = 2e-7 + (4 + 6 * np.minimum(np.abs(y), 88)) * U
    bound = slack * np.abs(expected) + np.abs(g * u) * np.exp(-87.0) + 2.0**-143
    assert (np.abs(got[finite] - expected) <= bound).all()
    gate, _ = gates()
    assert np.isnan(got[np.isnan(gate)]).all()


def test_swiglu_oai(isa: str, results: Results) -> None:
    finite, g, u = _finite_gates()
    got = results["swiglu_oai"]
    assert (np.abs(u) > 7).any()
    assert (g > 7).any()
    g, u = np.minimum(g, 7), np.clip(u, -7, 7)
    with np.errstate(over="ignore"):
        expected = g / (1 + np.exp(-1.702 * g)) * (u + 1)
    slack = 2e-7 + (5 + 3 * np.minimum(np.abs(1.702 * g), 88)) * U
    bound = slack * np.abs(expected) + np.abs(g * (u + 1)) * np.exp(-87.0) + 2.0**-143
    # u + 1 may cancel: its rounding counts as much as 1 does.
    bound += U * np.abs(g / (1 + np.exp(np.minimum(-1.702 * g, 700))))
    assert (np.abs(got[finite] - expected) <= bound).all()
    gate, _ = gates()
    assert np.isnan(got[np.isnan(gate)]).all()


def test_router_softmax(isa: str, results: Results) -> None:
    for name, logits in router_logits():
        got = results[f"softmax {name}"]
        if name == "no number":
            assert np.isnan(got).all()
            continue
        exact = np.exp(logits.astype(np.float64) - float(logits.max()))
        # The subtraction is off by half a unit of the difference, the sum by its lanes.
        distance = np.minimum(logits.max() - logits.astype(np.float64), 88)
        bound = (1e-6 + distance * 2 * U) * exact / exact.sum() + np.exp(-87.0)
        assert (np.abs(got - exact / exact.sum()) <= bound).all(), name
        assert logits[-1] != logits[0] or got[-1] == got[0]  # ties stay ties


def test_router_sigmoid(isa: str, results: Results) -> None:
    for name, logits in router_logits():
        got = results[f"sigmoid {name}"]
        with np.errstate(over="ignore"):
            expected = 1 / (1 + np.exp(-logits.astype(np.float64)))
        bound = (2e-7 + 4 * U) * expected + np.exp(-87.0)
        same = np.isnan(got) if name == "no number" else np.zeros(got.shape, bool)
        assert (same == np.isnan(expected)).all(), name
        assert (np.abs(got - expected)[~same] <= bound[~same]).all(), name
