"""Matrix products of every format against float64, within what float32 sums may lose."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import pytest
from pestle import _core

from .activations import round_activations
from .conftest import Results
from .formats import FLOATS, FORMATS, LAYOUTS, Doubles, dequantize, minima
from .products import Product, close_products, exact_products

U = 2.0**-24
"""The relative error of one rounding to float32."""


@dataclass(frozen=True)
class Expected:
    case: Product
    rounded: Doubles
    """With the activations rounded to integers."""
    given: Doubles
    """With the activations themselves."""
    bound: Doubles
    """How far from `rounded` a result may be."""
    rounding: Doubles
    """How far `rounded` may be from `given`."""


@functools.cache
def expected(name: str) -> list[Expected]:
    return [_expected(case) for case in close_products(name)]


def _expected(case: Product) -> Expected:
    weights = dequantize(case.format, case.weights).astype(np.float64)
    minimum = minima(case.format, case.weights).astype(np.float64)
    rounded = round_activations(case.format, case.x)
    magnitude = np.abs(weights - minimum) + np.abs(minimum)
    # A block adds one fma for each scale and one for each minimum; blocks of zeros add exactly.
    fmas = rounded.blocks.astype(np.float64)
    if case.format not in FLOATS:
        layout = LAYOUTS[case.format]
        fmas *= layout.scales * (2 if layout.has_minima else 1)
    # n fmas lose n * U of the sum of all terms' sizes (Higham 2002, 3.1). Beside them up to six
    # roundings: a sum of integers beyond 2^24 to float, scale * scale, scale * sum of integers,
    # a wide row's scale at the end, and two of gguf's float32 weights themselves. 1.001 pays for
    # the products of those errors.
    terms = np.abs(rounded.values) @ magnitude.T
    bound = 1.001 * (fmas[:, None] + 6) * U * terms
    # Scales whose product is denormal lose up to 2^-150 of it, times a block's integers (< 2^20).
    bound += fmas[:, None] * 2.0**-130
    # What rounding the activations to integers moves: every term by its own step, at most.
    rounding = rounded.error @ np.abs(weights).T
    given = case.x.astype(np.float64) @ weights.T
    return Expected(case, rounded.values @ weights.T, given, bound, rounding)


def _assert_within(error: Doubles, bound: Doubles, name: str) -> None:
    wrong = ~(np.abs(error) <= bound)  # also where it is not a number
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        pytest.fail(
            f"{name}: {wrong.sum()} of {wrong.size} are wrong, [{row}, {column}] by "
            f"{error[row, column]:g} where {bound[row, column]:g} may be"
        )


@pytest.mark.parametrize("name", FORMATS)
def test_rounded_activations(isa: str, name: str, results: Results) -> None:
    for e in expected(name):
        _assert_within(results[e.case.name] - e.rounded, e.bound, e.case.name)


@pytest.mark.parametrize("name", FORMATS)
def test_given_activations(isa: str, name: str, results: Results) -> None:
    """Independent of how activations are rounded, but for the size of a step."""
    for e in expected(name):
        _assert_within(results[e.case.name] - e.given, e.bound + e.rounding, e.case.name)


@pytest.mark.parametrize("name", FORMATS)
def test_exact_products(isa: str, name: str, results: Results) -> None:
    for case in exact_products(name):
        weights = dequantize(name, case.weights)
        if case.columns == 1:
            values = np.broadcast_to(weights.T, results[case.name].shape)
        else:
            values = case.x.astype(np.float64) @ weights.T.astype(np.float64)  # type: ignore[assignment]
        np.testing.assert_array_equal(results[case.name], values.astype(np.float32), case.name)


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_comes_of_nothing(isa: str, name: str, results: Results) -> None:
    for e in expected(name):
        zero = (e.case.x == 0).all(axis=1)
        assert (results[e.case.name][zero] == 0).all(), e.case.name


@pytest.mark.parametrize("name", FORMATS)
def test_results_are_finite(name: str) -> None:
    """What is not finite would compare with nothing."""
    for e in expected(name):
        assert np.isfinite(e.rounded).all(), e.case.name
        assert (np.abs(e.given) < np.finfo(np.float32).max).all(), e.case.name


@pytest.mark.parametrize("name", LAYOUTS)
def test_short_rows_have_more_bits(name: str) -> None:
    """What rounding costs them is a hundredth (127 / 16319) of what it costs long ones."""
    cost = {
        e.case.columns: np.sqrt(((e.rounded - e.given) ** 2).mean() / (e.given**2).mean())
        for e in expected(name)
        if e.case.name.startswith(f"{name} 100x")
    }
    short, long = (np.mean([v for k, v in cost.items() if (k < 2048) == s]) for s in (True, False))
    assert short < long / 20


@pytest.mark.parametrize("name", FORMATS)
def test_how_many_rows_are_few(name: str) -> None:
    """The choice between the two ways is one that the kernels can make, and others are refused."""
    case = close_products(name)[0]
    packed = _core.kernels.PackedMatrix(name, case.weights, case.columns)
    most = packed.most_direct_rows
    assert 1 <= packed.direct_rows <= most
    with pytest.raises(ValueError, match=f"direct_rows is {most + 1}, expected at most {most}"):
        packed.multiply(case.x, direct_rows=most + 1)
