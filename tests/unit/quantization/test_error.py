"""The error that quantizing leaves, beside llama.cpp's (libgguf) on the same rows."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest

from .numbers import TYPES


@pytest.fixture
def comparison(load_tool: Callable[[str], ModuleType]) -> ModuleType:
    pytest.importorskip("libgguf", reason="comparing with llama.cpp needs libgguf")
    return load_tool("compare_quantizers")


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("kind", TYPES)
def test_less_than_llama_cpp(comparison: ModuleType, kind: str, weighted: bool) -> None:
    """By more than one part in a hundred: the smallest margin is that of Q4_K and Q4_0, five."""
    for name, rows in comparison.drawn_rows(n=12).items():
        importance = comparison.importance_of(rows.shape[1]) if weighted else None
        ours, theirs = (
            comparison.error_of(kind, quantizer(kind, rows, importance), rows, importance)
            for quantizer in (comparison.ours, comparison.theirs)
        )
        assert ours < 0.99 * theirs, name


@pytest.mark.parametrize("kind", [k for k in TYPES if k not in ("Q8_0", "MXFP4")])
def test_importance_moves_the_error_to_where_it_matters_less(
    comparison: ModuleType, kind: str
) -> None:
    rows = comparison.drawn_rows(n=8)["Gaussian"]
    importance = comparison.importance_of(rows.shape[1])
    plain = comparison.ours(kind, rows, None)
    weighted = comparison.ours(kind, rows, importance)
    before, after = (comparison.error_of(kind, p, rows, importance) for p in (plain, weighted))
    assert after < before
    before, after = (comparison.error_of(kind, p, rows, None) for p in (plain, weighted))
    assert after > before
