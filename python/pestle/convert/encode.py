"""From a checkpoint's bytes to float32, and from float32 to the blocks of a type."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pestle.convert.checkpoint import Source
from pestle.convert.checkpoint.source import FP8_BLOCK, MXFP4_BLOCK
from pestle.errors import Error

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


def widened(source: Source, numbers: Bytes, scales: Bytes | None, threads: int) -> Floats:
    """The values of some elements of the source's first axis: float32 [n, *source.shape[1:]].

    `numbers`, `scales`: their bytes as stored. FP8 scales are those of the 128 x 128 blocks that
    the rows touch, the first of which begins with the first row.
    """
    shape = (-1, *source.shape[1:])
    if source.encoding == "fp8":
        assert scales is not None
        factors = scales.view("<f4").reshape(-1, -(-source.shape[1] // FP8_BLOCK))
        values = _FP8[numbers].reshape(shape)
        by_row = np.repeat(factors, FP8_BLOCK, axis=0)[: len(values)]
        by_value: Floats = np.repeat(by_row, FP8_BLOCK, axis=1)[:, : source.shape[1]]
        return values * by_value
    if source.encoding == "mxfp4":
        assert scales is not None
        codes = np.stack([numbers & 15, numbers >> 4], axis=-1).reshape(-1, MXFP4_BLOCK)
        values = np.ldexp(_E2M1[codes], scales.astype(np.int32)[:, None] - 128)
        return values.astype(np.float32).reshape(shape)
    if source.encoding == "BF16":
        return (numbers.view("<u2").astype(np.uint32) << 16).view(np.float32).reshape(shape)
    return (
        numbers.view("<f2" if source.encoding == "F16" else "<f4").astype(np.float32).reshape(shape)
    )


def mxfp4_blocks(source: Source, numbers: Bytes, scales: Bytes) -> Bytes:
    """MXFP4 in GGUF's order, without loss: uint8 [n, rows, bytes of a row].

    A byte of the checkpoint holds elements 2k and 2k + 1, one of GGUF's elements j and j + 16.
    """
    codes = np.stack([numbers & 15, numbers >> 4], axis=-1).reshape(-1, MXFP4_BLOCK)
    half = MXFP4_BLOCK // 2
    blocks = np.concatenate([scales[:, None], codes[:, :half] | codes[:, half:] << 4], axis=1)
    return blocks.reshape(-1, source.shape[1], source.shape[2] // MXFP4_BLOCK * (half + 1))


def encoded(type_name: str, values: Floats, threads: int) -> Bytes:
    """Rows of float32 [n, columns] as blocks: uint8 [bytes].

    Error: a value is not finite, or too large for the type.
    """
    if not np.isfinite(values).all():
        raise Error("holds a value that is not finite")
    if type_name == "F32":
        return values.astype("<f4").reshape(-1).view(np.uint8)
    if type_name == "F16":
        with np.errstate(over="ignore"):
            halves = values.astype("<f2")
        if not np.isfinite(halves).all():
            raise Error(f"holds {abs(values).max():g}, and F16 ends at 65504: BF16 holds it")
        return halves.reshape(-1).view(np.uint8)
    import gguf

    return np.asarray(gguf.quants.quantize(values, gguf.GGMLQuantizationType[type_name])).reshape(
        -1
    )


_E2M1 = np.array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12], np.float64)
"""Twice the values of the codes."""


def _fp8() -> Floats:
    codes = np.arange(256)
    exponent, mantissa = codes >> 3 & 15, codes & 7
    values = np.where(exponent == 0, mantissa * 2.0**-9, (8 + mantissa) * 2.0 ** (exponent - 10.0))
    values[codes & 127 == 127] = np.nan
    return np.where(codes & 128, -values, values).astype(np.float32)


_FP8 = _fp8()
