"""GGUF's weight formats, as tests need them: the fields of a block, and rows of any kind."""

from __future__ import annotations

from dataclasses import dataclass

import gguf
import numpy as np
import numpy.typing as npt
from gguf import GGMLQuantizationType as Type
from gguf import quants

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Layout:
    """The fields of a block, as byte offsets."""

    halves: tuple[int, ...]
    """The f16 scale and, if there is one, the f16 scale of the minima."""
    codes: tuple[int, int]
    """Where the bits of the columns begin and end. The rest are the scales of sub-blocks."""
    scales: int = 1
    """Scales per 32 columns."""

    @property
    def has_minima(self) -> bool:
        return len(self.halves) == 2


LAYOUTS = {
    "Q8_0": Layout((0,), (2, 34)),
    "Q4_0": Layout((0,), (2, 18)),
    "Q4_1": Layout((0, 2), (4, 20)),
    "Q5_0": Layout((0,), (2, 22)),
    "Q5_1": Layout((0, 2), (4, 24)),
    "IQ4_NL": Layout((0,), (2, 18)),
    "MXFP4": Layout((), (1, 17)),  # one byte of exponent
    "Q2_K": Layout((80, 82), (16, 80), scales=2),
    "Q3_K": Layout((108,), (0, 96), scales=2),
    "Q4_K": Layout((0, 2), (16, 144)),
    "Q5_K": Layout((0, 2), (16, 176)),
    "Q6_K": Layout((208,), (0, 192), scales=2),
    "IQ4_XS": Layout((0,), (8, 136)),
}
FLOATS = ("F32", "F16", "BF16")
FORMATS = (*FLOATS, *LAYOUTS)


def block_size(name: str) -> tuple[int, int]:
    """Columns and bytes of a block."""
    columns, size = gguf.GGML_QUANT_SIZES[Type[name]]
    return columns, size


def to_rows(blocks: Bytes) -> Bytes:
    """[rows, blocks, bytes] -> [rows, bytes]."""
    return blocks.reshape(blocks.shape[0], -1)


def float_rows(name: str, values: npt.ArrayLike) -> Bytes:
    """Rows of a float format; BF16 is cut off, not rounded."""
    floats = np.ascontiguousarray(values, dtype=np.float32)
    if name == "F16":
        return floats.astype(np.float16).view(np.uint8)
    if name == "BF16":
        return (floats.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
    return floats.view(np.uint8)


def random_blocks(rng: np.random.Generator, name: str, rows: int, columns: int) -> Bytes:
    """[rows, blocks, bytes]: any bits, but scales of weights near 1 as models have them."""
    width, size = block_size(name)
    shape = (rows, columns // width)
    blocks = rng.integers(0, 256, (*shape, size), dtype=np.uint8)
    for at in LAYOUTS[name].halves:
        set_half(blocks, at, rng.uniform(-0.02, 0.02, shape))
    if name == "MXFP4":
        blocks[..., 0] = rng.integers(118, 126, shape)
    return blocks


def any_half(rng: np.random.Generator, shape: tuple[int, ...]) -> npt.NDArray[np.float16]:
    """Any finite f16: a quarter of them subnormal, the largest and zero among them."""
    bits = rng.integers(0, 1 << 16, shape, dtype=np.uint16)
    bits = np.where(bits & 0x7C00 == 0x7C00, bits & 0xBFFF, bits)
    bits = np.where(rng.random(shape) < 0.25, bits & 0x83FF, bits).astype(np.uint16)
    bits.flat[:4] = (0x7BFF, 0xFBFF, 0x0001, 0x8000)[: bits.size]
    return bits.view(np.float16)


def set_half(blocks: Bytes, at: int, values: npt.ArrayLike) -> None:
    """Writes an f16 into every block."""
    halves = np.broadcast_to(np.asarray(values), blocks.shape[:-1]).astype(np.float16)
    blocks[..., at : at + 2] = halves[..., None].view(np.uint8)


def random_rows(rng: np.random.Generator, name: str, rows: int, columns: int) -> Bytes:
    if name in FLOATS:
        return float_rows(name, rng.standard_normal((rows, columns)))
    return to_rows(random_blocks(rng, name, rows, columns))


def dequantize(name: str, rows: Bytes) -> Floats:
    """The weights as the `gguf` package computes them, float32 [rows, columns]."""
    with np.errstate(over="ignore", invalid="ignore"):
        out = quants.dequantize(np.ascontiguousarray(rows), Type[name])
    return out.reshape(rows.shape[0], -1).astype(np.float32)


def minima(name: str, rows: Bytes) -> Floats:
    """What a column with code 0 is worth: the part that a format adds to every column."""
    if name in FLOATS or not LAYOUTS[name].has_minima:
        return np.zeros_like(dequantize(name, rows))
    begin, end = LAYOUTS[name].codes
    blocks = rows.reshape(rows.shape[0], -1, block_size(name)[1]).copy()
    blocks[..., begin:end] = 0
    return dequantize(name, to_rows(blocks))
