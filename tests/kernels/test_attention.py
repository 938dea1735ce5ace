"""Attention over pages against float64."""

from __future__ import annotations

import numpy as np
import pytest

from .attention import Attention, all_attention, blocks, conversions, damaged, quantized
from .conftest import Results
from .formats import Doubles, Floats

U = 2.0**-24
EXP = 2e-7
"""The relative error of the kernels' exp."""
SPAN = 256
"""Positions that are softened together."""
STEPS = 32767
"""Into how many a query, or the weights of a span, are divided where integers are multiplied."""


def _types(case: Attention) -> tuple[str, str]:
    keys, _, values = case.kv_type.partition("/")
    return keys, values or keys


def _stored(x: Floats, kv_type: str) -> Doubles:
    if kv_type == "f16":
        return x.astype(np.float16).astype(np.float64)
    if kv_type == "f32":
        return x.astype(np.float64)
    integers, scales = quantized(x)
    return integers.astype(np.float64) * scales


def _score_error(case: Attention, q: Doubles, k: Doubles, scores: Doubles) -> float:
    """How far a score, relative to the largest, may be off."""
    error = (len(q) + 3) * U * case.scale * (abs(k) @ abs(q)).max() + 2 * U * np.ptp(scores)
    if _types(case)[0] == "q8_0":
        error += case.scale * abs(q).max() / STEPS * 0.51 * abs(k).sum(1).max()
    return 2 * float(error)


def _weight_error(case: Attention, p: Doubles, first: int, v: Doubles) -> Doubles:
    """What the rounding of a span's weights to integers may cost each channel."""
    if _types(case)[1] != "q8_0":
        return np.zeros(v.shape[1])
    integers, scales = quantized(case.v[first : first + len(p)])
    error = np.zeros(v.shape[1])
    for span in range(first // SPAN, (first + len(p) - 1) // SPAN + 1):
        here = slice(max(first, span * SPAN) - first, (span + 1) * SPAN - first)
        step = (p[here, None] * scales[here]).max(0) / STEPS
        error += 0.51 * step * abs(integers[here]).sum(0)
    return error


def _expected(case: Attention) -> tuple[Doubles, Doubles]:
    """Outputs, and how far they may be off."""
    key_type, value_type = _types(case)
    out, bound = [], []
    for i, query in enumerate(case.q.astype(np.float64)):
        begin, end = case.sees(i)
        k, v = _stored(case.k[begin:end], key_type), _stored(case.v[begin:end], value_type)
        assert not case.latent or (v == k[:, : v.shape[1]]).all()
        scores = case.scale * (k @ query)
        sink = case.sinks[i] if case.sinks else -np.inf
        top = max(scores.max(), sink)
        p = np.exp(scores - top)
        p /= p.sum() + np.exp(sink - top)
        out.append(p @ v)
        # Errors of scores are relative errors of weights, and count twice: in the sum as well.
        relative = 2 * _score_error(case, query, k, scores)
        if case.sinks:
            relative += 4 * U * (abs(sink) + abs(scores).max())
        spans = (end - 1) // SPAN - begin // SPAN + 1
        # 2^x for each weight and for each merge of a span, whose argument is rounded; the chain
        # over a span, the lanes' sum and its tree, the merges, the division.
        relative += 2 * EXP + spans * (2 * EXP + 6 * U + 2 * U * np.ptp(scores))
        relative += (SPAN + SPAN / 32 + 16) * U
        error = 1.001 * relative * (p @ abs(v)) + 1.01 * _weight_error(case, p, begin, v)
        # Where a weight counts as zero.
        bound.append(error + np.exp(-86.0) * (abs(v).sum(0) + 1))
    return np.array(out), np.array(bound)


def test_against_float64(isa: str, results: Results) -> None:
    for case in all_attention():
        expected, bound = _expected(case)
        error = np.abs(results[case.name] - expected)
        assert (error <= bound).all(), f"{case.name}: {np.nanmax(error / bound)} times the bound"


def test_typical_error(isa: str, results: Results) -> None:
    """Bounds allow for errors that all agree; these add at random.

    Floats: as sqrt(256 channels) * U, or of more. Integers of 16 bits: a step is the largest
    weight / STEPS, 0.29 of it is the usual error, and here the largest weight is some 10 to 20
    times the usual one.
    """
    for case in all_attention():
        if " usual " in case.name:
            expected, _ = _expected(case)
            error = np.sqrt(((results[case.name] - expected) ** 2).mean())
            chain = max(16, np.sqrt(case.k.shape[1]))
            most = 6 / STEPS if "q8_0" in case.kv_type else chain * U
            assert error < most * np.sqrt((expected**2).mean()), case.name


def test_q8_0_loses_little_beside_its_own_rounding(isa: str, results: Results) -> None:
    """What integers of 16 bits add is below a tenth of what 8 bits cost anyway."""
    for case in all_attention():
        if case.kv_type != "q8_0" or " usual " not in case.name or case.n_keys[0] < 60:
            continue
        exact, _ = _expected(case)
        unrounded, _ = _expected(Attention("", case.q, case.k, case.v, case.n_keys, "f32"))
        own = np.sqrt(((exact - unrounded) ** 2).mean())
        added = np.sqrt(((results[case.name] - exact) ** 2).mean())
        assert added < 0.1 * own, case.name


def test_what_is_not_finite_reaches_the_output(isa: str, results: Results) -> None:
    for part, case in damaged():
        out = results[f"damaged {case.name}"]
        if part == "keys":
            assert np.isnan(out).all(), case.name
        else:
            assert not np.isfinite(out[:, 17]).any(), case.name
            assert np.isfinite(out[:, 32:]).all(), case.name


def test_rounding_to_half_precision(isa: str, results: Results) -> None:
    numbers = conversions()
    with np.errstate(over="ignore", under="ignore"):
        expected = numbers.astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(results["to f16"][0], expected)


def test_rounding_to_q8_0(isa: str, results: Results) -> None:
    """Behind a softmax of one key stand two roundings of float32, and scales below 2^-100 are 0."""
    integers, scales = quantized(blocks())
    assert (abs(integers) <= 127).all()
    with np.errstate(invalid="ignore"):
        expected = integers * scales
    np.testing.assert_allclose(results["to q8_0"], expected, rtol=4 * U, atol=127 * 2.0**-100)


@pytest.mark.parametrize("width", [1, 31, 32, 33, 100])
def test_the_oracle_rounds_to_nearest(width: int) -> None:
    x = np.random.default_rng(width).standard_normal((50, width)).astype(np.float32)
    integers, scales = quantized(x)
    assert (abs(integers * scales - x) <= 0.5001 * scales).all()
    assert (scales <= abs(x).max() / 127 * (1 + 2.0**-7)).all()
