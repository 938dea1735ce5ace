"""What each type would do to a tensor: how far its products come out from where they were."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from pestle._core import GgufFile
from pestle.errors import QuantizeError
from pestle.quantization import dequantize_rows, quantize_rows, row_bytes
from pestle.tensors.source_tensor import StoredTensor
from pestle.types import QUANTIZABLE, TYPES

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

CANDIDATES: Final = tuple(
    sorted((kind for kind in QUANTIZABLE if kind != "F32"), key=lambda kind: TYPES[kind].bits)
)
"""The types that a tensor may get, where its rows are whole blocks of them: smallest first."""
SAMPLE: Final = 1 << 20
"""Weights of a tensor that are quantized to know its errors: rows spread evenly over it."""


@dataclass(frozen=True)
class ErrorWeights:
    """How a tensor's columns count, [n_matrices, columns] each.

    quantizing: float32, as the quantizer will be told; None: all alike. measuring: float64, the
    inputs' squares, summed over the tokens that a matrix has read and divided by all tokens: so an
    expert counts as often as it is used.
    """

    quantizing: Floats | None
    measuring: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Distortion:
    """A tensor in one type: its bytes, and the expected squared error of its products."""

    type: str
    nbytes: int
    error: float


def matrices_of(path: Path, tensor: StoredTensor) -> Floats:
    """The numbers of a tensor of the file `path`, as float32 [n_matrices, rows, columns]."""
    *more, rows, columns = tensor.shape
    quantized = GgufFile(path).read(tensor.name).reshape(math.prod(more) * rows, -1)
    return dequantize_rows(tensor.dtype, quantized).reshape(math.prod(more), rows, columns)


def fitting(columns: int) -> dict[str, int]:
    """The candidates for rows of so many columns, and the bytes of a row."""
    whole = [kind for kind in CANDIDATES if TYPES[kind].fits(columns)]
    return {kind: row_bytes(kind, columns) for kind in whole}


def distortions(
    matrices: Floats, weights: ErrorWeights, *, threads: int = 0, sample: int = SAMPLE
) -> list[Distortion]:
    """Of every type that fits float32 [n_matrices, rows, columns] and can hold their numbers.

    Errors are rounded to six digits: no machine's way to sum shows in them.
    """
    n_matrices, rows, columns = matrices.shape
    step = max(1, min(rows // 16, matrices.size // sample))
    sampled = np.ascontiguousarray(matrices[:, step // 2 :: step])
    scale = rows / sampled.shape[1]
    found = []
    for kind, bytes_of_row in fitting(columns).items():
        try:
            after = rounded(kind, sampled, weights.quantizing, threads=threads)
        except QuantizeError:
            continue  # an F16 that would be infinite, for example
        error = weighted_error(sampled, after, weights.measuring) * scale
        found.append(Distortion(kind, bytes_of_row * rows * n_matrices, float(f"{error:.5e}")))
    return found


def rounded(kind: str, matrices: Floats, importance: Floats | None, *, threads: int = 0) -> Floats:
    """The numbers as `kind` holds them; importance: [n_matrices, columns]. Raises QuantizeError."""
    if importance is None:
        quantized = quantize_rows(kind, matrices.reshape(-1, matrices.shape[-1]), threads=threads)
        return dequantize_rows(kind, quantized, threads=threads).reshape(matrices.shape)
    out = np.empty_like(matrices)
    for values, weights, into in zip(matrices, importance, out, strict=True):
        quantized = quantize_rows(kind, values, importance=weights, threads=threads)
        dequantize_rows(kind, quantized, into, threads=threads)
    return out


def weighted_error(before: Floats, after: Floats, weights: npt.NDArray[np.float64]) -> float:
    """The squares of the differences, each times its column's weight, added up."""
    per_column = [
        np.square(np.subtract(a, b, dtype=np.float64)).sum(axis=0)
        for a, b in zip(after, before, strict=True)
    ]
    return math.fsum((np.stack(per_column) * weights).reshape(-1).tolist())
