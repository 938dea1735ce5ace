"""Attention over pages against float64."""

from __future__ import annotations

import numpy as np

from .attention import Attention, all_attention, conversions
from .conftest import Results
from .formats import Doubles

U = 2.0**-24
EXP = 2e-7
"""The relative error of the kernels' exp."""


def _expected(case: Attention) -> tuple[Doubles, Doubles]:
    """Outputs, and how far they may be off."""
    keep = slice(case.n_keys[-1])
    k, v = case.k[keep], case.v[keep]
    if case.kv_type == "f16":
        k, v = (a.astype(np.float16).astype(np.float32) for a in (k, v))
    k, v = k.astype(np.float64), v.astype(np.float64)
    out, bound = [], []
    for query, n in zip(case.q.astype(np.float64), case.n_keys, strict=True):
        scores = k[:n] @ query
        p = np.exp(scores - scores.max())
        p /= p.sum()
        out.append(p @ v[:n])
        # A score is one chain of fmas; its distance to the maximum is rounded once more. Errors
        # of scores are relative errors of probabilities, and count twice: in the sum as well.
        score = len(query) * U * (np.abs(k[:n]) @ np.abs(query)).max() + U * np.ptp(scores)
        pages = (n + 63) // 64
        # exp for each number, and once a page for what was summed before; the sums above and
        # below, the lanes' tree, the division.
        relative = 2 * score + (pages + 1) * 2 * (EXP + U) + (n + n / 16 + 8) * U
        # Where exp counts as zero: below e^-87.
        bound.append((1.001 * relative + np.exp(-86.0)) * (p @ np.abs(v[:n])) + np.exp(-86.0))
    return np.array(out), np.array(bound)


def test_against_float64(isa: str, results: Results) -> None:
    for case in all_attention():
        expected, bound = _expected(case)
        error = np.abs(results[case.name] - expected)
        assert (error <= bound).all(), f"{case.name}: {np.nanmax(error / bound)} times the bound"


def test_typical_error(isa: str, results: Results) -> None:
    """Bounds allow for errors that all agree; these add at random, as sqrt(256 channels) * U."""
    for case in all_attention():
        if " usual " in case.name:
            expected, _ = _expected(case)
            error = np.sqrt(((results[case.name] - expected) ** 2).mean())
            assert error < 16 * U * np.sqrt((expected**2).mean()), case.name


def test_rounding_to_half_precision(isa: str, results: Results) -> None:
    numbers = conversions()
    with np.errstate(over="ignore", under="ignore"):
        expected = numbers.astype(np.float16).astype(np.float32)
    np.testing.assert_array_equal(results["to f16"][0], expected)
