"""One result, whatever computes it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from pestle import _core

from .conftest import Results


def test_the_instruction_set_that_was_asked_for(isa: str, results: Results) -> None:
    assert results["isa"] == isa


def test_rows_threads_and_queries(isa: str, results: Results) -> None:
    """Not changed by rows multiplied together, their order, the way, threads, other queries."""
    assert results["differences"].tolist() == []


def _bits(a: np.ndarray) -> bytes:
    """Bytes in which every NaN is the same."""
    return np.where(np.isnan(a), np.float32(np.nan), a).tobytes()


@pytest.mark.skipif(len(_core.isas()) < 2, reason="this machine has one kernel set")
def test_instruction_sets_agree(results_of: Callable[[str], Results]) -> None:
    expected = results_of("scalar")
    names = expected.keys() - {"isa", "differences"}
    assert len(names) > 400
    for isa in _core.isas():
        results = results_of(isa)
        assert results.keys() == expected.keys()
        different = [n for n in sorted(names) if _bits(results[n]) != _bits(expected[n])]
        assert different == [], f"{isa} differs from scalar"
