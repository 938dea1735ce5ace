"""Conversions between the sorts of floats, against numpy and against the formats' own formulas."""

from __future__ import annotations

import numpy as np
import pytest
from pestle.errors import UnsupportedError
from pestle.quantization import quantize_rows, widen, widen_fp8


def numbers() -> np.ndarray:
    """All exponents, halves of the last bit above, below and at ties, both signs."""
    exponents = np.arange(0, 0x8F, dtype=np.uint32)[:, None] << 23
    tails = np.array([0, 1, 0xFFF, 0x1000, 0x1001, 0x2FFF, 0x3000, 0x7FFF, 0x8000, 0x8001, 0x18000,
                      0x7FFFFF, 0x5A5A5A], np.uint32)  # fmt: skip
    bits = (exponents | tails).reshape(-1)
    values = np.concatenate([bits, bits | 0x80000000]).view(np.float32)
    return values[np.abs(values) <= 65504]


def test_f16() -> None:
    x = numbers()
    with np.errstate(under="ignore"):
        expected = x.astype(np.float16)
    assert quantize_rows("F16", x[None]).tobytes() == expected.tobytes()


def test_bf16() -> None:
    x = numbers()
    bits = x.view(np.uint32).astype(np.uint64)
    expected = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)
    assert quantize_rows("BF16", x[None]).tobytes() == expected.tobytes()


def test_f32() -> None:
    x = numbers()
    assert quantize_rows("F32", x[None]).tobytes() == x.tobytes()


@pytest.mark.parametrize("threads", [1, 3])
def test_widening_halves_is_exact(threads: int) -> None:
    bits = np.arange(1 << 16, dtype=np.uint16)
    bits = np.concatenate([bits, bits[:777]])  # more than a piece
    expected = bits.view(np.float16).astype(np.float32)
    found = widen("F16", bits, threads=threads)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    numbers = ~np.isnan(expected)
    assert found[numbers].tobytes() == expected[numbers].tobytes()


def test_widening_bf16_is_exact() -> None:
    bits = np.arange(1 << 16, dtype=np.uint16).reshape(256, 256)
    expected = bits.astype(np.uint32) << 16
    assert widen("BF16", bits).view(np.uint32).tobytes() == expected.tobytes()


def test_only_sixteen_bits_are_widened() -> None:
    with pytest.raises(UnsupportedError, match="Q4_0"):
        widen("Q4_0", np.zeros(4, np.uint16))


def e4m3(code: int) -> float:
    """OCP 8-bit Floating Point Specification 1.0, E4M3."""
    sign, exponent, mantissa = -1 if code & 128 else 1, code >> 3 & 15, code & 7
    if code & 127 == 127:
        return float("nan")
    if exponent == 0:
        return float(sign * mantissa * 2.0**-9)
    return float(sign * (1 + mantissa / 8) * 2.0 ** (exponent - 7))


@pytest.mark.parametrize("shape", [(128, 128), (256, 384), (130, 257), (1, 1), (300, 100)])
def test_fp8_with_block_scales(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 256, shape, dtype=np.uint8)
    blocks = tuple(-(-n // 128) for n in shape)
    scales = rng.uniform(1e-4, 2e-3, blocks).astype(np.float32)
    table = np.array([e4m3(code) for code in range(256)], np.float32)
    spread = np.repeat(np.repeat(scales, 128, axis=0), 128, axis=1)[: shape[0], : shape[1]]
    expected = table[codes] * spread
    for threads in (1, 2):
        np.testing.assert_array_equal(widen_fp8(codes, scales, threads=threads), expected)
