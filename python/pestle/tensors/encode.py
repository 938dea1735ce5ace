"""From a source's bytes to float32, and from float32 to the blocks of a type."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pestle.quantization import dequantize_rows, quantize_rows, row_bytes, widen_fp8
from pestle.tensors.source_tensor import FP8_BLOCK, MXFP4_BLOCK, SourceTensor

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
_HALF = MXFP4_BLOCK // 2


def widened(source: SourceTensor, numbers: Bytes, scales: Bytes | None, threads: int) -> Floats:
    """The values of some elements of the source's first axis: float32 [n, *source.shape[1:]].

    `numbers`, `scales`: their bytes as stored. FP8 scales are those of the 128 x 128 blocks that
    the rows touch, the first of which begins with the first row.
    """
    shape = (-1, *source.shape[1:])
    match source.encoding:
        case "fp8":
            assert scales is not None
            factors = scales.view("<f4").reshape(-1, -(-source.shape[1] // FP8_BLOCK))
            return widen_fp8(numbers.reshape(shape), factors, threads=threads)
        case "mxfp4":
            assert scales is not None
            values = np.ldexp(_E2M1[_codes(numbers)], scales.astype(np.int32)[:, None] - 128)
            return values.astype(np.float32).reshape(shape)
        case "F32":
            return numbers.view("<f4").reshape(shape)
        case kind:
            return dequantize_rows(kind, numbers.reshape(1, -1), threads=threads).reshape(shape)


def mxfp4_blocks(source: SourceTensor, numbers: Bytes, scales: Bytes) -> Bytes:
    """MXFP4 in GGUF's order, without loss: uint8 [n, rows, bytes of a row].

    A byte of the checkpoint holds elements 2k and 2k + 1, one of GGUF's elements j and j + 16.
    """
    codes = _codes(numbers)
    nibbles = codes[:, :_HALF] | codes[:, _HALF:] << 4
    blocks = np.concatenate([scales[:, None], nibbles], axis=1)
    return blocks.reshape(-1, source.shape[1], source.shape[2] // MXFP4_BLOCK * (_HALF + 1))


@dataclass(frozen=True)
class TensorImportance:
    """Importance, float32 [n_matrices, columns], of a tensor whose matrices have `rows` rows."""

    importance: Floats
    rows: int


def encoded(
    kind: str,
    values: Floats,
    threads: int,
    weights: TensorImportance | None = None,
    first_row: int = 0,
) -> Bytes:
    """Rows of float32 [n, columns], `first_row` of the tensor and so on, as blocks: uint8 [bytes].

    QuantizeError: a value is not finite, or too large for the type.
    """
    if weights is None:
        return quantize_rows(kind, values, threads=threads).reshape(-1)
    out = np.empty((len(values), row_bytes(kind, values.shape[1])), np.uint8)
    begin = 0
    while begin < len(values):
        matrix = (first_row + begin) // weights.rows
        end = min((matrix + 1) * weights.rows - first_row, len(values))
        importance = weights.importance[matrix]
        quantize_rows(
            kind, values[begin:end], out[begin:end], importance=importance, threads=threads
        )
        begin = end
    return out.reshape(-1)


def _codes(numbers: Bytes) -> Bytes:
    """A row of 32 codes for each block."""
    return np.stack([numbers & 15, numbers >> 4], axis=-1).reshape(-1, MXFP4_BLOCK)


_E2M1 = np.array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12], np.float64)
"""Twice the values of the codes."""
