"""The quantizers on real weights, beside llama.cpp's (libgguf)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.real


@pytest.fixture
def comparison(load_tool: Callable[[str], ModuleType]) -> ModuleType:
    pytest.importorskip("libgguf", reason="comparing with llama.cpp needs libgguf")
    return load_tool("compare_quantizers")


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
def test_less_error_than_llama_cpp(
    comparison: ModuleType, default_model: Path, weighted: bool
) -> None:
    """Of every type, but for two that hold what this file was quantized to exactly: Q4_1, Q5_1."""
    rows = comparison.model_rows(default_model, layers=(0, 11, 29), n=40)
    importance = comparison.importance_of(rows.shape[1]) if weighted else None
    for kind in comparison.QUANTIZED:
        ours, theirs = (
            comparison.error_of(kind, quantizer(kind, rows, importance), rows, importance)
            for quantizer in (comparison.ours, comparison.theirs)
        )
        assert ours < 0.99 * theirs or (kind in ("Q4_1", "Q5_1") and ours == 0), kind
