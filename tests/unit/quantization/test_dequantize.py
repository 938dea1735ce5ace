"""Blocks to floats: as `gguf` decodes them, to the last bit."""

from __future__ import annotations

import gguf
import numpy as np
import pytest
from pestle.errors import UnsupportedError
from pestle.quantization import dequantize_rows, quantize_rows, row_bytes
from pestle.types import QUANTIZABLE


@pytest.mark.parametrize("kind", QUANTIZABLE)
@pytest.mark.parametrize("threads", [1, 3])
def test_any_bytes(kind: str, threads: int) -> None:
    """More blocks than a thread takes at once, and no whole number of tiles."""
    quantized = np.random.default_rng(1).integers(
        0, 256, (301, row_bytes(kind, 512)), dtype=np.uint8
    )
    with np.errstate(all="ignore"):  # some scales are infinities
        expected = gguf.quants.dequantize(quantized, gguf.GGMLQuantizationType[kind])
    found = dequantize_rows(kind, quantized, threads=threads)
    assert found.shape == (301, 512)
    np.testing.assert_array_equal(found, expected.reshape(found.shape))


@pytest.mark.parametrize("kind", QUANTIZABLE)
def test_a_block_alone(kind: str) -> None:
    rows = np.random.default_rng(2).standard_normal((1, 256), np.float32)
    quantized = quantize_rows(kind, rows)
    out = np.empty((1, 256), np.float32)
    assert dequantize_rows(kind, quantized, out) is out
    expected = gguf.quants.dequantize(quantized, gguf.GGMLQuantizationType[kind])
    assert out.tobytes() == expected.astype(np.float32).tobytes()


def test_refusals() -> None:
    with pytest.raises(UnsupportedError, match="IQ2_XXS"):
        dequantize_rows("IQ2_XXS", np.zeros((1, 66), np.uint8))
    with pytest.raises(ValueError, match="quantized has 19 bytes, blocks of Q4_0 have 18"):
        dequantize_rows("Q4_0", np.zeros((1, 19), np.uint8), np.zeros((1, 32), np.float32))
    with pytest.raises(ValueError, match="out has 64 numbers, 32 are expected"):
        dequantize_rows("Q4_0", np.zeros((1, 18), np.uint8), np.zeros((1, 64), np.float32))
