"""Blocks that are unlike weights."""

from __future__ import annotations

import gguf
import numpy as np
import pytest
from pestle.errors import QuantizeError
from pestle.quantization import quantize_rows

from .numbers import TYPES, WIDTH, importances, plain_rows

HALF_SCALED = [kind for kind in TYPES if kind != "MXFP4"]
# A step of the finest block of 32 or 256 numbers of which the largest is 1.
STEP = {
    "Q8_0": 1 / 127, "Q4_0": 1 / 7, "Q4_1": 1 / 15, "Q5_0": 1 / 15, "Q5_1": 1 / 31,
    "IQ4_NL": 26 / 113, "MXFP4": 1 / 2, "Q2_K": 1 / 3, "Q3_K": 1 / 3, "Q4_K": 1 / 15,
    "Q5_K": 1 / 31, "Q6_K": 1 / 31, "IQ4_XS": 26 / 113,
}  # fmt: skip


def decoded(kind: str, rows: np.ndarray, importance: np.ndarray | None = None) -> np.ndarray:
    quantized = quantize_rows(kind, rows, importance=importance)
    return gguf.dequantize(quantized, gguf.GGMLQuantizationType[kind])


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_zeros_stay_zeros(kind: str, zero: float) -> None:
    rows = np.full((3, 512), zero, np.float32)
    assert not decoded(kind, rows).any()
    assert not decoded(kind, rows, np.ones(512, np.float32)).any()


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("value", [1.0, -1.0, 0.3, -1234.5])
def test_constants(kind: str, value: float) -> None:
    """Exact up to the rounding of a half, or of a power of two."""
    rows = np.full((2, 256), value, np.float32)
    tolerance = 0.2 if kind == "MXFP4" else 2**-6 if kind.endswith("K") else 2**-10
    np.testing.assert_allclose(decoded(kind, rows), rows, rtol=tolerance)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_every_number_comes_out_finite_and_near(kind: str, weighted: bool) -> None:
    """No further off than two steps of its block; a clipped number may be."""
    rows = plain_rows()
    values = decoded(kind, rows, importances() if weighted else None)
    assert np.isfinite(values).all()
    blocks = np.abs(rows.reshape(-1, WIDTH[kind]))
    errors = np.abs(values - rows).reshape(-1, WIDTH[kind])
    largest = blocks.max(axis=1)
    # Scales are halves, which are 2^-24 apart at least, and 63 times that in K types.
    allowed = 2 * STEP[kind] * largest + (2.0**-15 if kind.endswith("_K") else 2.0**-18)
    if weighted:  # columns of little importance give way
        assert (np.median(errors, axis=1) <= allowed).all()
    else:
        assert (errors.max(axis=1) <= allowed).all()


@pytest.mark.parametrize("kind", TYPES)
def test_one_outlier(kind: str) -> None:
    rows = np.full((1, 256), 0.01, np.float32)
    rows[0, 77] = -100
    values = decoded(kind, rows)
    assert values[0, 77] == pytest.approx(-100, rel=0.26 if kind == "MXFP4" else 0.02)


@pytest.mark.parametrize("kind", TYPES)
def test_columns_without_importance(kind: str) -> None:
    """They are quantized as if nothing had been said where a whole block has none."""
    rows = plain_rows()[10:11]
    importance = np.ones(rows.shape[1], np.float32)
    width = WIDTH[kind]
    importance[:width] = 0
    values = decoded(kind, rows, importance)[:, :width]
    error = np.square(values - rows[:, :width]).sum()
    assert error <= 0.15 * np.square(rows[:, :width]).sum()
    np.testing.assert_array_equal(
        decoded(kind, rows, np.zeros_like(importance)),
        decoded(kind, rows, np.ones_like(importance)),
    )


@pytest.mark.parametrize("kind", TYPES)
def test_importance_has_no_unit(kind: str) -> None:
    rows, importance = plain_rows(), importances()
    quantized = quantize_rows(kind, rows, importance=importance)
    for unit in (2.0**-60, 2.0**60):
        scaled = (importance * unit).astype(np.float32)
        assert quantize_rows(kind, rows, importance=scaled).tobytes() == quantized.tobytes()


@pytest.mark.parametrize("kind", HALF_SCALED)
def test_what_a_half_holds_is_the_limit(kind: str) -> None:
    rows = np.zeros((3, 256), np.float32)
    rows[:] = np.where(np.arange(256) % 3, 65504, -65504)
    values = decoded(kind, rows)
    assert np.isfinite(values).all()
    assert np.abs(values).max() <= 65504 * 1.15
    rows[1, 200] = 65505
    with pytest.raises(
        QuantizeError, match=rf"row 1, column 200 is 65505; {kind} holds up to 65504"
    ):
        quantize_rows(kind, rows)


@pytest.mark.parametrize("exponent", [-149, -140, -127, -126, -60, 0, 60, 126])
def test_mxfp4_scales_reach_as_far_as_floats(exponent: int) -> None:
    """E8M0 scales go from 2^-127 to 2^127; codes are exact multiples of them."""
    codes = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6] * 4)
    rows = np.ldexp(codes, exponent - 2)[None].astype(np.float32)
    expected = rows if exponent >= -124 else None
    values = decoded("MXFP4", rows)
    if expected is not None:
        np.testing.assert_array_equal(values, expected)
    assert np.abs(values - rows).max() <= 2.0**-129


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "IQ4_NL", "MXFP4"])
@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_what_was_quantized_before_is_met_again(kind: str, weighted: bool) -> None:
    rng = np.random.default_rng(0)
    rows = decoded(kind, rng.standard_normal((16, 512)).astype(np.float32))
    importance = np.exp(rng.standard_normal(512)).astype(np.float32) if weighted else None
    again = decoded(kind, rows, importance)
    exact = (again == rows).reshape(-1, 32).all(axis=1).mean()
    assert exact > 0.9
