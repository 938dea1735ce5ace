"""Random weights, written as the blocks of each type: no float weight is ever made or quantized.

The codes are uniform, and the scales are such that the values have mean zero and the standard
deviation that was asked for. A mean of zero matters: a matrix of mean m maps the mean of its
input to itself, m times its columns larger, layer after layer. Where a type's codes are lopsided
(-8 to 7), half of the scales are negative; where it stores minimums, they take the mean off.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from gguf import GGML_QUANT_SIZES
from gguf import GGMLQuantizationType as Type

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

CHUNK = 1 << 18
"""Blocks that are made at once; the same number everywhere, since it decides the values."""

IQ4_CODES = (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)
FP4_CODES = (0, 0.5, 1, 1.5, 2, 3, 4, 6)


def random_rows(
    kind: str, rows: int, columns: int, std: float, rng: np.random.Generator
) -> npt.NDArray[np.generic]:
    """A matrix of `columns` contiguous values: floats, or blocks as uint8 [rows, bytes]."""
    if kind in ("F32", "F16", "BF16"):
        return _float_rows(kind, rows, columns, std, rng)
    width, size = GGML_QUANT_SIZES[Type[kind]]
    blocks = _random_bytes((rows * (columns // width), size), rng)
    for start in range(0, len(blocks), CHUNK):
        BUILDERS[kind](blocks[start : start + CHUNK], std, rng)
    return blocks.reshape(rows, -1)


def _float_rows(
    kind: str, rows: int, columns: int, std: float, rng: np.random.Generator
) -> npt.NDArray[np.generic]:
    dtype = np.float32 if kind == "F32" else np.float16
    values = np.empty((rows, columns), np.uint16 if kind == "BF16" else dtype)
    step = max(1, CHUNK * 32 // columns)
    for start in range(0, rows, step):
        part = values[start : start + step]
        normal = rng.standard_normal(part.shape, np.float32) * np.float32(std)
        part[:] = normal.view(np.uint32) >> 16 if kind == "BF16" else normal
    return values.view(np.uint8) if kind == "BF16" else values


def _random_bytes(shape: tuple[int, int], rng: np.random.Generator) -> Bytes:
    n = shape[0] * shape[1]
    words = rng.integers(0, 1 << 64, -(-n // 8), dtype=np.uint64)  # several times faster than bytes
    return words.view(np.uint8)[:n].reshape(shape)


def _rms(values: npt.ArrayLike) -> float:
    return float(np.sqrt(np.mean(np.square(np.asarray(values, np.float64)))))


def _scales(n: int, unit: float, rng: np.random.Generator, *, signed: bool = False) -> Floats:
    """Scales about `unit`, no two alike."""
    scales = rng.random(n, np.float32) * np.float32(0.5 * unit) + np.float32(0.75 * unit)
    if signed:
        scales *= 1 - 2 * rng.integers(0, 2, n, dtype=np.int8)
    return scales


def _put(blocks: Bytes, at: int, values: Floats) -> None:
    blocks[:, at : at + 2] = values.astype("<f2").view(np.uint8).reshape(-1, 2)


def _lopsided(codes: npt.ArrayLike) -> Callable[[Bytes, float, np.random.Generator], None]:
    """A scale at the start, and codes whose mean is not quite zero."""
    rms = _rms(codes)

    def build(blocks: Bytes, std: float, rng: np.random.Generator) -> None:
        _put(blocks, 0, _scales(len(blocks), std / rms, rng, signed=True))

    return build


def _with_minimum(n_codes: int) -> Callable[[Bytes, float, np.random.Generator], None]:
    """A scale and a minimum at the start: codes from 0."""
    mean = (n_codes - 1) / 2
    rms = _rms(np.arange(n_codes) - mean)

    def build(blocks: Bytes, std: float, rng: np.random.Generator) -> None:
        d = _scales(len(blocks), std / rms, rng)
        _put(blocks, 0, d)
        _put(blocks, 2, d * np.float32(-mean))

    return build


def _q8_0(blocks: Bytes, std: float, rng: np.random.Generator) -> None:
    codes = blocks[:, 2:].view(np.int8)
    np.maximum(codes, -127, out=codes)  # no quantizer writes -128
    _put(blocks, 0, _scales(len(blocks), std / _rms(np.arange(-127, 128)), rng))


def _mxfp4(blocks: Bytes, std: float, rng: np.random.Generator) -> None:
    """Powers of two: the two about the wanted scale, mixed so that the variance is right."""
    wanted = std / _rms(FP4_CODES)
    low = np.floor(np.log2(wanted))
    share = ((wanted / 2.0**low) ** 2 - 1) / 3
    blocks[:, 0] = 127 + low + (rng.random(len(blocks), np.float32) < share)


def _six_bits(n: int, groups: int, rng: np.random.Generator) -> Bytes:
    """Sub-block scales of 40 to 63."""
    return rng.integers(40, 64, (n, groups), dtype=np.uint8)


def _signed_six_bits(n: int, groups: int, rng: np.random.Generator) -> Bytes:
    """32 plus or minus 16 to 31: the scales of types that store them with 32 added."""
    sizes = rng.integers(16, 32, (n, groups), dtype=np.uint8)
    return np.where(rng.integers(0, 2, (n, groups), dtype=np.uint8), 32 + sizes, 32 - sizes)


def _q2_k(blocks: Bytes, std: float, rng: np.random.Generator) -> None:
    scales = rng.integers(8, 16, (len(blocks), 16), dtype=np.uint8)
    blocks[:, :16] = scales * 17  # the minimum's code in the upper half is the scale's
    rms = _rms(np.arange(8, 16)) * _rms(np.arange(4) - 1.5)
    d = _scales(len(blocks), std / rms, rng)
    _put(blocks, 80, d)
    _put(blocks, 82, d * np.float32(1.5))


def _q3_k(blocks: Bytes, std: float, rng: np.random.Generator) -> None:
    s = _signed_six_bits(len(blocks), 16, rng)
    blocks[:, 96:104] = s[:, :8] & 15 | (s[:, 8:] & 15) << 4
    high = (s >> 4).reshape(-1, 4, 4)
    blocks[:, 104:108] = high[:, 0] | high[:, 1] << 2 | high[:, 2] << 4 | high[:, 3] << 6
    _put(
        blocks, 108, _scales(len(blocks), std / (_rms(np.arange(16, 32)) * _rms(range(-4, 4))), rng)
    )


def _q4_k_or_q5_k(n_codes: int) -> Callable[[Bytes, float, np.random.Generator], None]:
    mean = (n_codes - 1) / 2
    rms = _rms(np.arange(40, 64)) * _rms(np.arange(n_codes) - mean)

    def build(blocks: Bytes, std: float, rng: np.random.Generator) -> None:
        scale = _six_bits(len(blocks), 8, rng)
        # A minimum's code is its scale's, give or take one: the mean of a sub-block is not zero.
        minimum = np.minimum(scale + rng.integers(-1, 2, scale.shape, dtype=np.int8), 63)
        minimum = minimum.astype(np.uint8)
        blocks[:, 4:8] = scale[:, :4] | scale[:, 4:] >> 4 << 6
        blocks[:, 8:12] = minimum[:, :4] | minimum[:, 4:] >> 4 << 6
        blocks[:, 12:16] = scale[:, 4:] & 15 | (minimum[:, 4:] & 15) << 4
        d = _scales(len(blocks), std / rms, rng)
        _put(blocks, 0, d)
        _put(blocks, 2, d * np.float32(mean))

    return build


def _q6_k(blocks: Bytes, std: float, rng: np.random.Generator) -> None:
    random = blocks[:, 192:208]
    sizes = ((random & 63) + 64).astype(np.int8)
    blocks[:, 192:208] = np.where(random >= 128, -sizes, sizes).view(np.uint8)
    rms = _rms(np.arange(64, 128)) * _rms(np.arange(-32, 32))
    _put(blocks, 208, _scales(len(blocks), std / rms, rng))


def _iq4_xs(blocks: Bytes, std: float, rng: np.random.Generator) -> None:
    s = _signed_six_bits(len(blocks), 8, rng)
    high = (s >> 4).reshape(-1, 2, 4)
    blocks[:, 2:4] = high[:, :, 0] | high[:, :, 1] << 2 | high[:, :, 2] << 4 | high[:, :, 3] << 6
    blocks[:, 4:8] = s[:, ::2] & 15 | (s[:, 1::2] & 15) << 4
    rms = _rms(np.arange(16, 32)) * _rms(IQ4_CODES)
    _put(blocks, 0, _scales(len(blocks), std / rms, rng))


BUILDERS: dict[str, Callable[[Bytes, float, np.random.Generator], None]] = {
    "Q8_0": _q8_0,
    "Q4_0": _lopsided(np.arange(-8, 8)),
    "Q5_0": _lopsided(np.arange(-16, 16)),
    "IQ4_NL": _lopsided(IQ4_CODES),
    "Q4_1": _with_minimum(16),
    "Q5_1": _with_minimum(32),
    "MXFP4": _mxfp4,
    "Q2_K": _q2_k,
    "Q3_K": _q3_k,
    "Q4_K": _q4_k_or_q5_k(16),
    "Q5_K": _q4_k_or_q5_k(32),
    "Q6_K": _q6_k,
    "IQ4_XS": _iq4_xs,
}
