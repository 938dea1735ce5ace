"""What overflows between the products, or comes out of them infinite, is not rounded away."""

from __future__ import annotations

import numpy as np
import pytest
from pestle import _core

kernels = _core.kernels


@pytest.mark.parametrize("at", [0, 15, 16, 36])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e20, -3e38])
def test_a_norm_whose_squares_overflow(value: float, at: int) -> None:
    x = np.ones(37, np.float32)
    x[at] = value
    assert np.isnan(kernels.rms_norm(x, x, 1e-5)).all()


@pytest.mark.parametrize("activation", ["silu", "gelu_tanh", "swiglu_oai"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_gates_and_ups(activation: str, value: float) -> None:
    for at in (0, 15, 16, 36):
        for which in (0, 1):
            gate_and_up = np.full((2, 37), 0.5, np.float32)
            gate_and_up[which, at] = value
            got = kernels.gate_mul(activation, *gate_and_up)
            assert np.flatnonzero(~np.isfinite(got)).tolist() == [at], (at, which)


def test_a_clamp_leaves_every_bit_of_finite_numbers() -> None:
    """Of the limits, of zeros with either sign, and of what is far beyond."""
    gate = np.array([7, 7.5, 3e38, -3e38, -0.0, 0.0, 1e-45, -1e-45], np.float32)
    got = kernels.gate_mul("swiglu_oai", gate, np.zeros_like(gate))
    assert got[1] == got[2] == got[0] > 6.9
    assert np.signbit(got[4])
    assert not np.signbit(got[5])
    up = np.array([7, 8, 3e38, -7, -8, -3e38, 0.0, -0.0], np.float32)
    got = kernels.gate_mul("swiglu_oai", np.full_like(up, 1.0), up)
    assert got[0] == got[1] == got[2]
    assert got[3] == got[4] == got[5]
    assert got[6] == got[7]


@pytest.mark.parametrize("kv_type", ["f32", "f16", "i16", "q8_0"])
@pytest.mark.parametrize("latent", [False, True])
@pytest.mark.parametrize("position", [0, 5, 31, 64, 255, 256, 299])
def test_a_score_that_overflows(kv_type: str, latent: bool, position: int) -> None:
    """One position's score is -inf: it would quietly count for nothing."""
    rng = np.random.default_rng(position)
    k = rng.uniform(0.5, 1, (1, 300, 48)).astype(np.float32)
    v = k[..., :32].copy() if latent else rng.uniform(0.5, 1, (1, 300, 32)).astype(np.float32)
    q = np.full((2, 48), 1e33, np.float32)
    for scale in (1e-33, 1e5):  # at the latter every score overflows to +inf
        pages = kernels.KvPages(k, v, kv_type, latent=latent)
        got = pages.attend(q, [position + 1, 300], scale=scale)
        assert np.isfinite(got).all() == (scale < 1)
    k[0, position] *= -6e4  # what f16 holds; times q, what float32 does not
    pages = kernels.KvPages(k, v, kv_type, latent=latent)
    for first in (0, position):
        for pieces in (0, 2):
            got = pages.attend(q, [position + 1, 300], [first, first], scale=10.0, pieces=pieces)
            assert np.isnan(got).all()
    if position > 0:  # what a query does not see takes no part
        assert np.isfinite(pages.attend(q[:1], [position], scale=10.0)).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_sinks(value: float) -> None:
    """The last one overflows in the units of ln 2 that scores have."""
    x = np.ones((1, 300, 32), np.float32)
    pages = kernels.KvPages(x, x, "f32")
    got = pages.attend(x[0, :2], [300, 300], sinks=[value, 0.0])
    assert np.isnan(got[0]).all()
    assert np.isfinite(got[1]).all()
