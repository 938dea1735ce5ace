"""Weights of every format against the same weights, dequantized by numpy and run as F32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from . import expected, gguf_file, running
from .checkpoints import CASES
from .conftest import TinyFile

# What rounding the activations to integers costs. The error of a number is uniform in +-scale / 2,
# with a deviation of scale / sqrt(12); a product, whose terms err independently, is off by the same
# part of itself. Two blocks round four inputs each and the head one: nine errors that add as
# squares, so 3 times one (`_allowed` counts those of other models). Attention multiplies its part,
# because scores of deviation 2 come from two factors, and gated products have longer tails than
# normal numbers: 3 times again, of which 2 are seen.
# Rows below 2048 columns: 15 bits, the scale is the row's largest number / 16319, which is up to 6
# deviations.
TOLERANCE = 9 * 6 / 16319 / np.sqrt(12)
# Longer rows: 8 bits, the scale is the largest of 32 columns, 2.4 deviations on average, / 127.
TOLERANCE_LONG_ROWS = 9 * 2.4 / 127 / np.sqrt(12)


# A mixture of experts is discontinuous: where two experts score nearly the same, rounding may
# choose the other. The cases are such that this happens for no token; as all bits are fixed, it
# never will.


def _allowed(name: str, tolerance: float = TOLERANCE) -> float:
    """The tolerance for the number of inputs that this model rounds."""
    case = CASES[name]
    layers = case.config["num_hidden_layers"]
    # Those of latent attention: of both down-projections, q's and kv's two ups, and the output.
    of_layer = 8 if "kv_lora_rank" in case.config else 4
    return float(tolerance * np.sqrt((layers * of_layer + 1) / 9))


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


@pytest.mark.parametrize("type_name", gguf_file.NUMPY_TYPES + gguf_file.LIBGGUF_TYPES)
def test_long_rows(type_name: str, tiny_file: TinyFile) -> None:
    if type_name in gguf_file.LIBGGUF_TYPES:
        pytest.importorskip("libgguf", reason="quantizing to K and IQ types needs libgguf")
    assert _compare("llama-2048", type_name, tiny_file) < TOLERANCE_LONG_ROWS


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


ALL_TYPES = gguf_file.NUMPY_TYPES + gguf_file.LIBGGUF_TYPES
SOME_TYPES = ("Q8_0", "MXFP4", "Q4_K", "Q6_K", "IQ4_XS")


@pytest.mark.parametrize(
    ("name", "type_name"),
    [("qwen3moe-256", type_name) for type_name in ALL_TYPES]
    + [
        (name, type_name)
        for name in ("qwen3-256", "gptoss-256", "deepseek3-256", "gemma3-256")
        for type_name in SOME_TYPES
    ]
    # Rows that no block divides are F16; the others are not.
    + [
        (name, "Q8_0")
        for name in (
            "qwen3-tied",
            "qwen3moe-top1",
            "gptoss-busy",
            "deepseek3-long",
            "deepseek3-top1",
            "deepseek2-lite",
        )
    ],
)
def test_families(name: str, type_name: str, tiny_file: TinyFile) -> None:
    if type_name in gguf_file.LIBGGUF_TYPES:
        pytest.importorskip("libgguf", reason="quantizing to K and IQ types needs libgguf")
    assert _compare(name, type_name, tiny_file) < _allowed(name)


@pytest.mark.parametrize("type_name", ["Q8_0", "MXFP4", "Q4_K", "IQ4_XS"])
def test_experts_with_long_rows(type_name: str, tiny_file: TinyFile) -> None:
    """Eight bits, with a routing that no rounding changes."""
    if type_name in gguf_file.LIBGGUF_TYPES:
        pytest.importorskip("libgguf", reason="quantizing to K and IQ types needs libgguf")
    assert _compare("gptoss-1024", type_name, tiny_file) < TOLERANCE_LONG_ROWS


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
