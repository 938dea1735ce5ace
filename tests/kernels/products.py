"""The matrix products that every instruction set computes: the same inputs in every process."""

from __future__ import annotations

import functools
import zlib
from dataclasses import dataclass

import numpy as np

from .activations import is_wide
from .formats import (
    FLOATS,
    FORMATS,
    LAYOUTS,
    Bytes,
    Floats,
    any_half,
    block_size,
    float_rows,
    random_blocks,
    random_rows,
    set_half,
    to_rows,
)

N_ACTIVATIONS = 24
ROWS = (1, 15, 17, 37, 100)
COLUMNS = {1: (1, 7, 100, 2048), 32: (32, 96, 576, 2048, 2080), 256: (256, 512, 2048, 2304)}
"""By the columns of a block. From 2048 on the activations are of eight bits."""


@dataclass(frozen=True)
class Product:
    name: str
    format: str
    weights: Bytes
    """GGUF rows."""
    x: Floats
    """[N_ACTIVATIONS, columns]"""

    @property
    def columns(self) -> int:
        return self.x.shape[1]


def _generator(*key: object) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(repr(key).encode()))


def _ragged(name: str) -> list[Product]:
    out = []
    for columns in COLUMNS[block_size(name)[0]]:
        for rows in ROWS:
            rng = _generator(name, rows, columns)
            weights = random_rows(rng, name, rows, columns)
            x = rng.standard_normal((N_ACTIVATIONS, columns)).astype(np.float32)
            out.append(Product(f"{name} {rows}x{columns}", name, weights, x))
    return out


def odd_activations(rng: np.random.Generator, columns: int) -> Floats:
    """Rows that models do not have often: nothing but zeros, outliers, far too large or small."""
    x = rng.standard_normal((N_ACTIVATIONS, columns)).astype(np.float32)
    x[0] = 0
    x[1, 1:] = 0
    x[2, :-1] = 0
    x[3] = 1e-35  # counts as zero
    x[4] *= np.float32(1e-40)  # denormal
    x[5, : columns // 2] *= np.float32(1e-40)
    x[6] *= np.float32(2.0**-98)  # just large enough
    x[7] *= np.float32(1e20)
    x[8, columns // 3] = 1e4
    x[9, columns // 3] = -1e4
    x[10, ::32] = 1e4
    # Where eight bits, or sums of 16, would overflow first.
    x[11], x[12] = 1, -1
    x[13] = np.where(np.arange(columns) % 2, 1, -1)
    x[14] = np.where(np.arange(columns) % 4 < 2, 1, -1)
    x[15] = np.where(np.arange(columns) % 32 < 16, 1, -1)
    x[16, 32 * (columns // 64) :] = 0
    # Halves of a step: 0.5, 1.5, 2.5 ... of the integers.
    x[17] = np.arange(columns) % 64 + np.float32(0.5)
    x[17, ::32] = 16319 if is_wide(columns) else 127
    x[18] = -x[17]
    return x


def _odd(name: str) -> list[Product]:
    """Every fill of the bytes, every scale."""
    out = []
    fills = (0x00, 0xFF, 0x80, 0x7F, 0x0F, 0xF0, 0x88, 0x11)
    for columns in (512, 2304):
        rng = _generator(name, "odd", columns)
        x = odd_activations(rng, columns)
        width = block_size(name)[0]
        same = random_blocks(rng, name, 3 * len(fills), columns)
        begin, end = LAYOUTS[name].codes
        for i, fill in enumerate(fills):
            same[i, :, begin:end] = fill
            same[len(fills) + i] = fill  # the scales of sub-blocks too
            same[2 * len(fills) + i, ::2, begin:end] = fill
        for at in LAYOUTS[name].halves:
            set_half(same, at, rng.choice([0.01, -0.01], same.shape[:2]))
        if name == "MXFP4":
            same[..., 0] = 120
        same[-1] = 0
        out.append(Product(f"{name} fills {columns}", name, to_rows(same), x))

        wild = random_blocks(rng, name, 19, columns)
        shape = (19, columns // width)
        for at in LAYOUTS[name].halves:
            set_half(wild, at, any_half(rng, shape))
        if name == "MXFP4":
            # 2^-128 and 2^-127 are denormal, 2^126 is the largest but one. With activations of 15
            # bits the sum before their scale would be infinite there. (2^126 fits 1, not 1e20.)
            largest = 200 if is_wide(columns) else 254
            wild[..., 0] = rng.choice([0, 1, 2, 3, 100, largest], shape)
            wild[wild[..., 0] == largest, 1:] = 0x11
            x = x * np.float32(1e-6)
            x[7] *= np.float32(1e-20)
        out.append(Product(f"{name} scales {columns}", name, to_rows(wild), x))
    return out


def _odd_floats(name: str) -> list[Product]:
    rng = _generator(name, "odd")
    x = odd_activations(rng, 97)
    weights = rng.standard_normal((37, 97)).astype(np.float32)
    weights[0] = 0
    weights[1] = 60000
    weights[2] *= np.float32(1e-6)
    weights[3, 5:] = 0
    return [Product(f"{name} odd", name, float_rows(name, weights), x)]


def _exact(name: str) -> list[Product]:
    """Products that one rounding to float32 describes: eight integers of one half block.

    Their sum with weights of integers stays below 2^24 (8 * 16319 * 128), the activations' scale
    is 1. Any bit that a kernel loses in its integers shows.
    """
    out = []
    layout = LAYOUTS[name]
    for columns in (512, 2304):
        largest = 16319 if is_wide(columns) else 127
        for part in ("codes", "minima")[: len(layout.halves) or 1]:
            rng = _generator(name, "exact", part, columns)
            blocks = random_blocks(rng, name, 40, columns)
            for i, at in enumerate(layout.halves):
                sign = rng.choice([1.0, -1.0], blocks.shape[:2])
                set_half(blocks, at, sign if (i == 0) == (part == "codes") else 0.0)
            if name == "MXFP4":
                blocks[..., 0] = 128
            for row, fill in enumerate((0x00, 0xFF, 0x80, 0x7F)):
                blocks[row, :, slice(*layout.codes)] = fill
            x = np.zeros((N_ACTIVATIONS, columns), np.float32)
            for i, given in enumerate(x):
                half = 16 * rng.integers(columns // 16)
                at = half + rng.permutation(16)[:8]  # type: ignore[assignment]
                given[at] = rng.integers(-largest, largest + 1, 8)
                given[at[0]] = largest  # type: ignore[index]
                if i % 3 == 0:
                    given[at] = largest * rng.choice([1, -1], 8)
                if i % 6 == 0:
                    given[at] = np.abs(given[at])
            out.append(Product(f"{name} exact {part} {columns}", name, to_rows(blocks), x))
    return out


def _every_half(name: str) -> list[Product]:
    """Each of the 65536 numbers times 1."""
    bits = np.arange(1 << 16, dtype=np.uint16)
    x = np.ones((N_ACTIVATIONS, 1), np.float32)
    return [Product(f"{name} every number", name, bits.view(np.uint8).reshape(-1, 2), x)]


@functools.cache
def close_products(name: str) -> list[Product]:
    """Those whose result is compared within a bound."""
    return _ragged(name) + (_odd_floats(name) if name in FLOATS else _odd(name))


@functools.cache
def exact_products(name: str) -> list[Product]:
    """Those whose result is known to the bit."""
    if name in FLOATS:
        return [] if name == "F32" else _every_half(name)
    return _exact(name)


def all_products() -> list[Product]:
    return [p for name in FORMATS for p in close_products(name) + exact_products(name)]
