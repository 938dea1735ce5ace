"""Rows of floats to rows of a GGUF type and back, and the narrow floats of checkpoints."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pestle import _core
from pestle.errors import UnsupportedError
from pestle.types import RUN, TYPES

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]


def row_bytes(kind: str, columns: int) -> int:
    """Bytes of a row of `columns` numbers.

    Raises UnsupportedError where the row is not whole blocks of the type (`Type.block_elems`
    columns, `pestle.types`), or where nothing is quantized to the type.
    """
    return _core.quantized_row_bytes(kind, columns)


def quantize_rows(
    kind: str,
    rows: Floats,
    out: Bytes | None = None,
    *,
    importance: Floats | None = None,
    threads: int = 0,
) -> Bytes:
    """Write float32 [n, columns] as GGUF blocks of type `kind`: uint8 [n, row_bytes].

    What is made small is the squared error, of each column times its `importance` (float32
    [columns], none negative): without it, all columns count alike. A column of importance zero
    counts a millionth of the mean, so that it still comes out near what it was. F32, F16, BF16
    and the rounding of MXFP4's codes know no importance. Scales that GGUF stores as halves are
    searched as halves. Numbers too small for them become zero.

    `out` may be given, C-contiguous, to be written into; else it is made. `threads` 0: one per
    core. The arrays are read and written in place, without the GIL; calls of a megabyte or more
    are worth their threads.

    Raises QuantizeError, with the attributes `row` and `column`, for a number that is not finite
    or that the type cannot hold: above 65504, what a half holds, for all types but F32, BF16 and
    MXFP4. `out` is undefined then. UnsupportedError as `row_bytes` does, and ValueError or
    TypeError for arrays of other shapes or dtypes.
    """
    n_bytes = row_bytes(kind, rows.shape[-1])
    if out is None:
        out = np.empty((len(rows), n_bytes), np.uint8)
    _core.quantize_rows(kind, rows, out, importance, threads)
    return out


def dequantize_rows(
    kind: str, quantized: Bytes, out: Floats | None = None, *, threads: int = 0
) -> Floats:
    """GGUF blocks of type `kind`, uint8 [n, row_bytes], as float32 [n, columns].

    The numbers are those that readers of a file compute, to the last bit. Raises UnsupportedError
    for a type that Pestle does not run, ValueError where the bytes are not whole blocks or `out`
    has another size.
    """
    if out is None:
        if kind not in RUN:
            raise UnsupportedError(f"Pestle does not read {kind}")
        blocks = quantized.shape[-1] // TYPES[kind].block_bytes
        out = np.empty((len(quantized), blocks * TYPES[kind].block_elems), np.float32)
    _core.dequantize_rows(kind, quantized, out, threads)
    return out


def widen(
    kind: str, source: npt.NDArray[np.uint16], out: Floats | None = None, *, threads: int = 0
) -> Floats:
    """F16 or BF16 numbers, given as the uint16 of their bits, as float32 of the same shape. Exact.

    Raises UnsupportedError for another `kind`, ValueError where `out` has another size.
    """
    if out is None:
        out = np.empty(source.shape, np.float32)
    _core.widen(kind, source, out, threads)
    return out


def widen_fp8(
    codes: Bytes, scales: Floats, out: Floats | None = None, *, threads: int = 0
) -> Floats:
    """E4M3 codes, uint8 [rows, columns], times the scales of their blocks, as float32.

    scales: float32, one for each 128 x 128 codes, the blocks at the edges cut off: as DeepSeek-V3
    stores `weight_scale_inv` (arXiv 2412.19437, section 3.3). E4M3 is that of the OCP 8-bit
    Floating Point Specification 1.0, without infinities. Products are rounded to float32 once.
    ValueError where the shapes do not match.
    """
    if out is None:
        out = np.empty(codes.shape, np.float32)
    _core.widen_fp8(codes, scales, out, threads)
    return out
