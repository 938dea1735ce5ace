"""Weights in tiles: the same numbers, the same bits, no bit lost."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from pestle import _core

from .formats import (
    FORMATS,
    LAYOUTS,
    Bytes,
    Floats,
    any_half,
    block_size,
    dequantize,
    random_blocks,
    random_rows,
    set_half,
    to_rows,
)

KERNELS = _core.kernels


def generator(*key: object) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(repr(key).encode()))


def unpack(name: str, rows: Bytes) -> Floats:
    width, size = block_size(name)
    return KERNELS.PackedMatrix(name, rows, rows.shape[1] // size * width).unpack()


def assert_same_bits(a: Floats, b: Floats) -> None:
    assert a.shape == b.shape
    np.testing.assert_array_equal(a.view(np.uint32), b.view(np.uint32))


def test_formats() -> None:
    assert set(KERNELS.FORMATS) == set(FORMATS)


@pytest.mark.parametrize("rows", [1, 15, 16, 17, 33, 100])
@pytest.mark.parametrize("name", FORMATS)
def test_dequantizes_to_the_bit(name: str, rows: int) -> None:
    for blocks in (1, 3):
        columns = blocks * block_size(name)[0]
        data = random_rows(generator(name, rows, blocks), name, rows, columns)
        assert_same_bits(unpack(name, data), dequantize(name, data))


@pytest.mark.parametrize("name", LAYOUTS)
def test_any_bytes(name: str) -> None:
    """Scales of any size and sign; every exponent of MXFP4."""
    rng = generator(name, "any")
    blocks = random_blocks(rng, name, 256, 2 * block_size(name)[0])
    for at in LAYOUTS[name].halves:
        set_half(blocks, at, any_half(rng, blocks.shape[:2]))
    if name == "MXFP4":
        blocks[..., 0] = np.arange(256)[:, None]
    rows = to_rows(blocks)
    assert_same_bits(unpack(name, rows), dequantize(name, rows))


@pytest.mark.parametrize("name", ["F16", "BF16"])
def test_any_half_float(name: str) -> None:
    rows = np.arange(1 << 16, dtype=np.uint16).reshape(64, 1024).view(np.uint8)
    got, expected = unpack(name, rows), dequantize(name, rows)
    np.testing.assert_array_equal(np.isnan(got), np.isnan(expected))
    assert_same_bits(np.nan_to_num(got), np.nan_to_num(expected))


@pytest.mark.parametrize("name", FORMATS)
def test_takes_no_more_and_no_less_memory(name: str) -> None:
    """Whole strips of 32 rows, each as large as in GGUF."""
    width, size = block_size(name)
    for rows in (1, 32, 33, 100):
        packed = KERNELS.PackedMatrix(name, np.zeros((rows, 3 * size), np.uint8), 3 * width)
        assert packed.nbytes == (rows + 31) // 32 * 32 * 3 * size


@pytest.mark.parametrize("name", FORMATS)
def test_every_bit_has_a_place(name: str) -> None:
    """One bit flipped, another number. Packing moves bits: no two can have the same place."""
    rng = generator(name, "bits")
    width, size = block_size(name)
    unseen = set(range(8 * size))
    for _ in range(20):  # a bit does not show where the scale of its columns is zero
        flipped = np.tile(random_rows(rng, name, 1, width), (8 * size + 1, 1))
        for bit in range(8 * size):
            flipped[bit, bit // 8] ^= 1 << bit % 8
        numbers = unpack(name, flipped)
        unseen -= set(np.flatnonzero((numbers != numbers[-1]).any(axis=1)).tolist())
    assert unseen == set()


@pytest.mark.parametrize("name", FORMATS)
def test_rows_of_another_length(name: str) -> None:
    width, size = block_size(name)
    for columns, row_bytes in ((2 * width, 3 * size), (2 * width, 2 * size - 1)):
        with pytest.raises(ValueError, match=f"a row of {name} does not have this many bytes"):
            KERNELS.PackedMatrix(name, np.zeros((1, row_bytes), np.uint8), columns)
    if width > 1:
        with pytest.raises(ValueError, match="does not have this many bytes"):
            KERNELS.PackedMatrix(name, np.zeros((1, size), np.uint8), width - 1)


def test_unknown_format() -> None:
    with pytest.raises(ValueError, match="Q9_9"):
        KERNELS.PackedMatrix("Q9_9", np.zeros((1, 32), np.uint8), 32)


def test_activations_of_another_width() -> None:
    packed = KERNELS.PackedMatrix("F32", np.zeros((4, 40), np.uint8), 10)
    with pytest.raises(ValueError, match="columns"):
        packed.multiply(np.zeros((1, 11), np.float32))
