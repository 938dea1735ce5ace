"""Weights of every format against the same weights, dequantized by numpy and run as F32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from . import expected, gguf_file, running
from .checkpoints import CASES
from .conftest import TinyFile

# Activations are rounded to int8 with a scale of max|x| / 127 for 32 columns. The error is uniform
# in +-scale / 2, its deviation scale / sqrt(12). The largest of 32 normal numbers is 2.4 deviations
# on average, so x is off by 2.4 / 127 / sqrt(12) = 0.55 % of itself, and so is a product, whose
# terms err independently. Two blocks round four inputs each and the head one: nine errors that add
# as squares, 1.6 %. Attention multiplies its part, because scores of deviation 2 come from two
# factors, and a gated product has longer tails than a normal number: twice that is seen.
ROUNDING = 2.4 / 127 / np.sqrt(12)
TOLERANCE = 3 * ROUNDING * np.sqrt(9)


def _relative_error(logits: np.ndarray, exact: np.ndarray) -> float:
    return float(np.sqrt(((logits - exact) ** 2).mean() / (exact**2).mean()))


def _logits(name: str, type_name: str, tiny_file: TinyFile, *, widen: bool) -> np.ndarray:
    _, tokens, _ = expected.load(CASES[name])
    run = running.engine(tiny_file(name, type_name, widen=widen))
    return running.feed(run, run.sequence(), tokens, 64)


def _compare(name: str, type_name: str, tiny_file: TinyFile) -> float:
    got = _logits(name, type_name, tiny_file, widen=False)
    return _relative_error(got, _logits(name, type_name, tiny_file, widen=True))


@pytest.mark.parametrize("type_name", ["F16", "BF16"])
@pytest.mark.parametrize("name", ["llama-ragged", "llama-biases", "qwen2-tied"])
def test_half_floats(name: str, type_name: str, tiny_file: TinyFile) -> None:
    assert _compare(name, type_name, tiny_file) < 1e-6  # f32 arithmetic, exact conversion


@pytest.mark.parametrize("type_name", [t for t in gguf_file.NUMPY_TYPES if not t.endswith("16")])
@pytest.mark.parametrize("name", ["llama-tied", "llama-biases", "llama-256", "qwen2-tied"])
def test_blocks_of_32(name: str, type_name: str, tiny_file: TinyFile) -> None:
    assert _compare(name, type_name, tiny_file) < TOLERANCE


@pytest.mark.parametrize("type_name", gguf_file.LIBGGUF_TYPES)
@pytest.mark.parametrize("name", ["llama-256", "qwen2-256"])
def test_k_quants_and_codebooks(name: str, type_name: str, tiny_file: TinyFile) -> None:
    pytest.importorskip("libgguf", reason="quantizing to K and IQ types needs libgguf")
    assert _compare(name, type_name, tiny_file) < TOLERANCE


@pytest.mark.parametrize("type_name", ["Q4_K", "Q8_0"])
def test_rows_that_blocks_do_not_divide(type_name: str, tiny_file: TinyFile) -> None:
    """F16 where the type's blocks do not fit: rows of 72, 100 and 216."""
    pytest.importorskip("libgguf", reason="quantizing to K types needs libgguf")
    assert _compare("llama-ragged", type_name, tiny_file) < TOLERANCE


def test_every_matrix_of_another_type(tmp_path: Path) -> None:
    pytest.importorskip("libgguf", reason="quantizing to K and IQ types needs libgguf")
    case = CASES["qwen2-256"]
    parameters, tokens, _ = expected.load(case)
    matrices = [n for n, v in gguf_file.gguf_weights(case, parameters).items() if v.ndim == 2]
    types = gguf_file.NUMPY_TYPES + gguf_file.LIBGGUF_TYPES
    assert len(matrices) >= len(types)
    choice = dict(zip(matrices, types * 2, strict=False))
    logits = []
    for widen in (False, True):
        path = gguf_file.write(
            tmp_path / f"{widen}.gguf", case, parameters, choice.__getitem__, widen=widen
        )
        run = running.engine(path)
        logits.append(running.feed(run, run.sequence(), tokens, 64))
    assert _relative_error(*logits) < TOLERANCE
