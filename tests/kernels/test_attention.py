"""Attention over pages against float64."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest

from .attention import (
    EVERY,
    MOST,
    MOST_VALUE,
    NORM,
    Attention,
    all_attention,
    conversions,
    damaged,
    quantized,
    rotated,
    rows,
)
from .conftest import Results
from .formats import Doubles, Floats

U = 2.0**-24
EXP = 2e-7
"""The relative error of the kernels' exp."""
SPAN = 256
"""Positions that are softened together."""
STEPS = 32767
"""Into how many the weights of a span are divided at most, where integers are multiplied."""


def _types(case: Attention) -> tuple[str, str]:
    keys, _, values = case.kv_type.partition("/")
    return keys, values or keys


def _rows(x: Floats, kv_type: str, *, norm: bool, most: dict[str, int]) -> Doubles:
    """What pages hold of rows, rotated where they are."""
    if kv_type == "f16":
        return x.astype(np.float16).astype(np.float64)
    if kv_type == "f32":
        return x.astype(np.float64)
    integers, scales = quantized(x, kv_type, norm=norm, most=most[kv_type])
    return integers.astype(np.float64) * scales


def _parts(case: Attention) -> list[slice]:
    """Of a key's channels: what has a scale, and is rotated, by itself."""
    n = case.v.shape[1]
    return [slice(0, n), slice(n, case.k.shape[1])] if case.latent else [slice(0, case.k.shape[1])]


def _keys(case: Attention) -> list[Doubles]:
    """Of each part."""
    bounds = [MOST_VALUE, MOST] if case.latent else [MOST]
    return [
        _rows(case.k[:, part], _types(case)[0], norm=True, most=most)
        for part, most in zip(_parts(case), bounds, strict=True)
    ]


def _query(case: Attention, query: Floats) -> list[Doubles]:
    parts = [query[None, part].astype(np.float64) for part in _parts(case)]
    return [(rotated(q) if _types(case)[0] == "q8_0" else q)[0] for q in parts]


def _score_error(case: Attention, q: list[Doubles], k: list[Doubles], scores: Doubles) -> float:
    """How far a score, relative to the largest, may be off."""
    width = case.k.shape[1]
    sizes = sum(float((abs(rows) @ abs(part)).max()) for part, rows in zip(q, k, strict=True))
    error = (width + 3) * U * case.scale * sizes + 2 * U * float(np.ptp(scores))
    if _types(case)[0] in MOST:
        for part, rows in zip(q, k, strict=True):
            step = max(np.sqrt((part**2).sum()) / NORM, abs(part).max() / 32767)
            error += case.scale * step * 0.51 * float(abs(rows).sum(1).max())
    return 2 * error


def _weight_error(
    case: Attention, p: Doubles, first: int, integers: Doubles, scales: Doubles
) -> Doubles:
    """What the rounding of a span's weights to integers may cost each channel."""
    error = np.zeros(integers.shape[1])
    most = MOST_VALUE[_types(case)[1]]
    for span in range(first // SPAN, (first + len(p) - 1) // SPAN + 1):
        here = slice(max(first, span * SPAN) - first, (span + 1) * SPAN - first)
        weights = p[here, None] * scales[here]
        step = max(weights.max() / STEPS, weights.sum() * most / 2.14e9)
        error += 0.51 * step * abs(integers[here]).sum(0)
    return error


@functools.cache
def _expected(case: Attention) -> tuple[Doubles, Doubles]:
    """Outputs, and how far they may be off."""
    value_type = _types(case)[1]
    keys = _keys(case)
    if value_type in MOST:
        rounded = quantized(case.v, value_type, norm=case.latent, most=MOST_VALUE[value_type])
        integers, steps = (part.astype(np.float64) for part in rounded)
        values = integers * steps
    else:
        values = _rows(case.v, value_type, norm=False, most=MOST_VALUE)
    out, bound = [], []
    for i, query in enumerate(case.q):
        begin, end = case.sees(i)
        q, k, v = _query(case, query), [part[begin:end] for part in keys], values[begin:end]
        scores = case.scale * (np.concatenate(k, 1) @ np.concatenate(q))
        sink = case.sinks[i] if case.sinks else -np.inf
        top = max(scores.max(), sink)
        p = np.exp(scores - top)
        p /= p.sum() + np.exp(sink - top)
        # Errors of scores are relative errors of weights, and count twice: in the sum as well.
        relative = 2 * _score_error(case, q, k, scores)
        if case.sinks:
            relative += 4 * U * (abs(sink) + abs(scores).max())
        spans = (end - 1) // SPAN - begin // SPAN + 1
        # 2^x for each weight and for each merge of a span, whose argument is rounded; the chain
        # over a span, the lanes' sum and its tree, the merges, the division.
        relative += 2 * EXP + spans * (2 * EXP + 6 * U + 2 * U * np.ptp(scores))
        relative += (SPAN + SPAN / 32 + 16) * U
        y, error = p @ v, 1.001 * relative * (p @ abs(v))
        if value_type in MOST:
            error += 1.01 * _weight_error(case, p, begin, integers[begin:end], steps[begin:end])
        # Where a weight counts as zero.
        error += np.exp(-86.0) * (abs(v).sum(0) + 1)
        if value_type == "q8_0":
            back = abs(rotated(np.eye(len(y))))
            y, error = rotated(y[None])[0], (1 + 32 * U) * (back @ error) + 32 * U * (back @ abs(y))
        out.append(y)
        bound.append(error)
    return np.array(out), np.array(bound)


@functools.cache
def _exact(case: Attention) -> Attention:
    return replace(case, kv_type="f32")


def test_against_float64(isa: str, results: Results) -> None:
    for case in all_attention():
        expected, bound = _expected(case)
        error = np.abs(results[case.name] - expected)
        assert (error <= bound).all(), f"{case.name}: {np.nanmax(error / bound)} times the bound"


def test_typical_error(isa: str, results: Results) -> None:
    """Bounds allow for errors that all agree; these add at random.

    Floats: as sqrt(256 channels) * U, or of more. Integers of 16 bits: a step is the largest
    weight / STEPS, 0.29 of it is the usual error, and here the largest weight is some 10 to 20
    times the usual one. Values of 14 bits leave the weights of a whole span fewer steps.
    """
    for case in all_attention():
        if " usual " in case.name:
            expected, _ = _expected(case)
            error = np.sqrt(((results[case.name] - expected) ** 2).mean())
            chain = max(16, np.sqrt(case.k.shape[1]))
            integers = 20 / STEPS if "i16" in case.kv_type else 6 / STEPS
            most = integers if any(t in MOST for t in _types(case)) else chain * U
            assert error < most * np.sqrt((expected**2).mean()), case.name


def test_q8_0_loses_little_beside_its_own_rounding(isa: str, results: Results) -> None:
    """What integers of 16 bits add is below a tenth of what 8 bits cost anyway."""
    for case in all_attention():
        if case.kv_type != "q8_0" or " usual " not in case.name or case.n_keys[0] < 60:
            continue
        exact, _ = _expected(case)
        unrounded, _ = _expected(_exact(case))
        own = np.sqrt(((exact - unrounded) ** 2).mean())
        added = np.sqrt(((results[case.name] - exact) ** 2).mean())
        assert added < 0.1 * own, case.name


@pytest.mark.skipif(EVERY > 1, reason="compares pairs of cases, of which only some run")
@pytest.mark.parametrize("latent", [False, True])
def test_i16_loses_no_more_than_f16(isa: str, results: Results, latent: bool) -> None:
    """Of scores as they are at random; on real weights f16 loses several times as much."""
    ratios = []
    for case in all_attention():
        if case.kv_type == "i16" and case.latent == latent and " usual " in case.name:
            exact, _ = _expected(_exact(case))
            other = results[case.name.replace("i16", "f16", 1)]
            errors = [np.sqrt(((y - exact) ** 2).mean()) for y in (results[case.name], other)]
            ratios.append(errors[0] / errors[1])
    assert np.median(ratios) < 1.3


def test_what_is_not_finite_reaches_the_output(isa: str, results: Results) -> None:
    for part, case in damaged():
        out = results[f"damaged {case.name}"]
        if part == "keys":
            assert np.isnan(out).all(), case.name
        else:
            assert not np.isfinite(out[:, 17]).any(), case.name
            alone = _types(case)[1] not in MOST  # integers share a scale: all channels are NaN
            assert np.isfinite(out[:, 32:]).all() == alone, case.name


def test_rounding_to_half_precision(isa: str, results: Results) -> None:
    numbers = conversions()
    with np.errstate(over="ignore", under="ignore"):
        expected = numbers.astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(results["to f16"][0], expected)


@pytest.mark.parametrize("kv_type", list(MOST))
def test_rounding_to_integers(isa: str, results: Results, kv_type: str) -> None:
    """Behind a softmax of one key stand roundings of float32, and rows below 2^-100 are 0."""
    integers, scales = quantized(rows(), kv_type, norm=False, most=MOST_VALUE[kv_type])
    assert (abs(integers) <= MOST_VALUE[kv_type]).all()
    with np.errstate(invalid="ignore"):
        expected = integers * scales
    tolerance = 4 * U * abs(expected).max(1, keepdims=True)
    if kv_type == "q8_0":
        expected, tolerance = rotated(expected), 8 * tolerance
    found = results[f"to {kv_type}"]
    assert (np.isnan(found) == np.isnan(expected)).all()
    error = np.where(np.isnan(found), 0, abs(found - expected))
    assert (
        error <= np.where(np.isnan(tolerance), 0, tolerance) + MOST_VALUE[kv_type] * 2.0**-100
    ).all()


@pytest.mark.parametrize("kv_type", list(MOST))
@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("width", [1, 31, 32, 33, 100, 576])
def test_the_oracle_rounds_to_nearest(width: int, norm: bool, kv_type: str) -> None:
    x = np.random.default_rng(width).standard_normal((50, width)).astype(np.float32)
    x[25:, 0] *= 1000
    most = MOST[kv_type] if norm else MOST_VALUE[kv_type]
    integers, scales = quantized(x, kv_type, norm=norm, most=most)
    y = rotated(x) if kv_type == "q8_0" else x
    assert (abs(integers * scales - y) <= 0.5001 * scales).all()
    assert (abs(integers) <= most).all()
    if norm:
        assert (np.sqrt((integers.astype(np.float64) ** 2).sum(1)) < 2**15.5).all()
    full = (abs(integers).max(1) >= most * (1 - 2.0**-7) - 1) | (
        np.sqrt((integers**2).sum(1)) >= NORM * (1 - 2.0**-6)
    )
    assert full.all()


def test_the_oracle_rotates_there_and_back() -> None:
    x = np.random.default_rng(0).standard_normal((7, 96))
    np.testing.assert_allclose(rotated(rotated(x)), x, atol=1e-12)
    spread = rotated(np.eye(64)[:1])
    np.testing.assert_allclose(abs(spread), 1 / 8)
