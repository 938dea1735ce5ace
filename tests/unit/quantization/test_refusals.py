"""What is refused, and what the errors say."""

from __future__ import annotations

import numpy as np
import pytest
from pestle.errors import QuantizeError, UnsupportedError
from pestle.quantization import quantize_rows, row_bytes, widen, widen_fp8
from pestle.types import QUANTIZABLE


@pytest.mark.parametrize("kind", QUANTIZABLE)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite(kind: str, value: float) -> None:
    rows = np.ones((70, 512), np.float32)
    rows[41, 300] = value
    rows[60, 2] = value
    with pytest.raises(QuantizeError, match="row 41, column 300 is not finite") as raised:
        quantize_rows(kind, rows, threads=2)
    assert (raised.value.row, raised.value.column) == (41, 300)  # type: ignore[attr-defined]


def test_what_rounds_to_infinity() -> None:
    rows = np.full((1, 32), 3.4e38, np.float32)
    with pytest.raises(QuantizeError, match="BF16 holds up to 3"):
        quantize_rows("BF16", rows)
    with pytest.raises(QuantizeError, match="F16 holds up to 65504"):
        quantize_rows("F16", np.full((1, 32), 65519, np.float32))
    assert np.isfinite(quantize_rows("F32", rows).view(np.float32)).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -1.0])
def test_an_importance_that_is_none(value: float) -> None:
    importance = np.ones(64, np.float32)
    importance[9] = value
    with pytest.raises(QuantizeError, match="importance of column 9") as raised:
        quantize_rows("Q4_0", np.ones((2, 64), np.float32), importance=importance)
    assert (raised.value.row, raised.value.column) == (-1, 9)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("kind", "columns", "width"), [("Q8_0", 48, 32), ("MXFP4", 33, 32), ("Q4_K", 288, 256)]
)
def test_rows_that_are_not_whole_blocks(kind: str, columns: int, width: int) -> None:
    with pytest.raises(UnsupportedError, match=f"{kind} needs .* of {width} columns, .* {columns}"):
        row_bytes(kind, columns)
    with pytest.raises(UnsupportedError):
        quantize_rows(kind, np.ones((1, columns), np.float32))


@pytest.mark.parametrize("kind", ["IQ2_XXS", "TQ1_0", "I32", "Q8_K", "q4_0", ""])
def test_types_that_nothing_is_quantized_to(kind: str) -> None:
    with pytest.raises(UnsupportedError):
        quantize_rows(kind, np.ones((1, 256), np.float32))


def test_sizes_that_do_not_match() -> None:
    rows = np.ones((2, 64), np.float32)
    with pytest.raises(ValueError, match="out has 71 bytes, 72 are expected"):
        quantize_rows("Q4_0", rows, np.empty(71, np.uint8))
    with pytest.raises(ValueError, match="importance has 63 columns, 64 are expected"):
        quantize_rows("Q4_0", rows, importance=np.ones(63, np.float32))
    with pytest.raises(ValueError, match="matrix"):
        quantize_rows("Q4_0", rows[0], np.empty(36, np.uint8))
    with pytest.raises(ValueError, match="out has 3 numbers, 4 are expected"):
        widen("F16", np.zeros(4, np.uint16), np.empty(3, np.float32))
    with pytest.raises(ValueError, match="scales has 1 columns, 2 are expected"):
        widen_fp8(np.zeros((1, 129), np.uint8), np.ones((1, 1), np.float32))


def test_arrays_are_not_copied_in_secret() -> None:
    """Another dtype or a stride would be: it is refused."""
    rows = np.ones((4, 64))
    with pytest.raises(TypeError):
        quantize_rows("Q4_0", rows)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        quantize_rows("Q4_0", rows.astype(np.float32)[::2])
    out = np.empty((4, 36), np.uint8)
    out.flags.writeable = False
    with pytest.raises(ValueError, match="writeable"):
        quantize_rows("Q4_0", rows.astype(np.float32), out)


def test_nothing_of_nothing() -> None:
    assert quantize_rows("Q4_K", np.ones((0, 256), np.float32)).shape == (0, 144)
