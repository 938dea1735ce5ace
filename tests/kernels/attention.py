"""The attention that every instruction set computes."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass

import numpy as np

from .formats import Floats

DIMS = ((16, 16), (20, 24), (64, 64), (80, 80), (100, 36), (128, 128), (256, 256), (192, 128))
"""Of keys and values."""
N_KEYS = (
    (1,),
    (63,),
    (64,),
    (65,),
    (128,),
    (200,),
    (255, 256, 257),
    (1, 2, 63, 64, 65),
    (60,) * 2 + (64,) * 3 + (65,) * 5 + (127, 128, 128, 129, 199, 200),
    tuple(range(169, 201)),
    (511, 512, 513, 700, 769, 1025),
    tuple(range(1005, 1053)),
)
SCALES = {"flat": 0.0, "usual": 1.0, "sharp": 8.0, "one-hot": 300.0}
"""Deviation of the scores."""
KV_TYPES = ("i16", "f16", "f32", "q8_0", "q8_0/f16", "f16/i16")
LATENT_KV_TYPES = ("i16", "f16", "f32", "q8_0")
WINDOWS = (0, 1, 5, 64, 130, 256, 300)
"""Positions that a query sees, itself included; 0: all."""


@dataclass(frozen=True, eq=False)
class Attention:
    name: str
    q: Floats
    k: Floats
    v: Floats
    n_keys: tuple[int, ...]
    kv_type: str
    first_key: tuple[int, ...] = ()
    sinks: tuple[float, ...] = ()
    scale: float = 1.0
    latent: bool = False
    """Values are the first channels of the keys, and stored with them."""

    def sees(self, i: int) -> tuple[int, int]:
        """The first key of query i, and the one behind its last."""
        return self.first_key[i] if self.first_key else 0, self.n_keys[i]


EVERY = int(os.environ.get("PESTLE_TEST_EVERY", "1"))
"""Only each so-many-th case: kernels under sanitizers are a hundred times slower."""


@functools.cache
def all_attention() -> list[Attention]:
    return [*_shapes(), *_windows(), *_latents()][::EVERY]


def _arrays(
    rng: np.random.Generator, queries: int, keys: int, dims: tuple[int, int], scale: float
) -> tuple[Floats, Floats, Floats]:
    k_dim, v_dim = dims
    q = rng.standard_normal((queries, k_dim)) * (scale / np.sqrt(k_dim))
    k = rng.standard_normal((keys, k_dim))
    v = rng.standard_normal((keys, v_dim)) * 10.0 ** rng.integers(-3, 4)
    return q.astype(np.float32), k.astype(np.float32), v.astype(np.float32)


def _shapes() -> list[Attention]:
    out = []
    rng = np.random.default_rng(11)
    scales = list(SCALES.items())
    for dims in DIMS:
        for i, n_keys in enumerate(N_KEYS):
            scale_name, scale = scales[1 if i < 6 else (i + dims[0] // 4) % 4]
            q, k, v = _arrays(rng, len(n_keys), n_keys[-1] + 3, dims, scale)
            # Pages are used again and again: what an earlier text left behind must not matter.
            k[n_keys[-1] :] = np.nan
            v[n_keys[-1] :] = np.inf
            for kv_type in KV_TYPES:
                name = f"{kv_type} {dims[0]}/{dims[1]} {scale_name} keys {n_keys}"
                out.append(Attention(name, q, k, v, n_keys, kv_type))
    return out


LATENTS = ((576, 512), (84, 64), (40, 32), (66, 32))
"""Of a row, and of the values that it begins with: whole blocks of 32."""


def _latents() -> list[Attention]:
    out = []
    rng = np.random.default_rng(14)
    for dims in LATENTS:
        for i, n_keys in enumerate(N_KEYS[2 :: 3 if dims[0] > 256 else 1]):
            scale = list(SCALES)[1 if i < 3 else i % 4]
            q, k, _ = _arrays(rng, len(n_keys), n_keys[-1] + 3, dims, SCALES[scale])
            k[n_keys[-1] :] = np.nan
            for kv_type in LATENT_KV_TYPES:
                name = f"{kv_type} latent {dims[0]}/{dims[1]} {scale} keys {n_keys}"
                v = k[:, : dims[1]]
                out.append(Attention(name, q, k, v, n_keys, kv_type, latent=True))
    return out


def _windows() -> list[Attention]:
    """Windows, sinks and both; what no query sees is damaged, and its pages are gone."""
    out = []
    rng = np.random.default_rng(12)
    for window in WINDOWS:
        for n_keys in ((3,), (400,), tuple(range(500, 540)), (63, 64, 320, 321, 800)):
            dims = ((64, 64), (80, 36))[len(n_keys) % 2]
            q, k, v = _arrays(rng, len(n_keys), n_keys[-1] + 3, dims, 4.0)
            first = tuple(max(0, n - window) if window else 0 for n in n_keys)
            unseen = np.ones(len(k), bool)
            for begin, end in zip(first, n_keys, strict=True):
                unseen[begin:end] = False
            k[unseen] = np.nan
            v[unseen] = np.inf
            sinks = tuple(rng.normal(2.0, 3.0, len(n_keys)).astype(np.float32).tolist())
            for kv_type in KV_TYPES:
                for some in ((), sinks):
                    name = f"{kv_type} {dims[0]}/{dims[1]} window {window} keys {n_keys}"
                    name += " sinks" if some else ""
                    out.append(Attention(name, q, k, v, n_keys, kv_type, first, some, 0.5))
    return out


def damaged() -> list[tuple[str, Attention]]:
    """One key or value that is not finite, at a position that all queries see."""
    rng = np.random.default_rng(13)
    out = []
    for kv_type in KV_TYPES:
        for part in ("keys", "values"):
            for value in (np.nan, np.inf, -np.inf):
                q, k, v = _arrays(rng, 3, 400, (64, 64), 1.0)
                (k if part == "keys" else v)[270, 17] = value
                case = Attention(f"{kv_type} {part} {value}", q, k, v, (300, 350, 400), kv_type)
                out.append((part, case))
    for kv_type in LATENT_KV_TYPES:
        for value in (np.nan, np.inf, -np.inf):
            q, k, _ = _arrays(rng, 3, 400, (80, 64), 1.0)
            k[270, 70] = value
            n_keys = (300, 350, 400)
            name = f"{kv_type} latent {value}"
            out.append(("keys", Attention(name, q, k, k[:, :64], n_keys, kv_type, latent=True)))
    return out


@functools.cache
def conversions() -> Floats:
    """Float32 numbers whose rounding to f16 is delicate, and any others."""
    halves = np.arange(0x7C00, dtype=np.uint16).view(np.float16).astype(np.float32)
    ties = (halves[:-1] + halves[1:]) / 2  # exact
    beside = [np.nextafter(ties, np.float32(to)) for to in (-np.inf, np.inf)]
    edges = [65519.996, 65520.0, 65536.0, 1e30, np.inf, 1e-30, 1e-45, 2.0**-25, 2.0**-24, np.nan]
    any_bits = np.random.default_rng(3).integers(0, 1 << 32, 20000, dtype=np.uint32)
    some = any_bits.view(np.float32)
    positive = np.concatenate([halves, ties, *beside, np.array(edges, np.float32), abs(some)])
    return np.concatenate([positive, -positive]).astype(np.float32)


N_ROWS = 600


@functools.cache
def rows() -> Floats:
    """Rows of 32 numbers of every magnitude, some of them with one that is not finite."""
    rng = np.random.default_rng(4)
    x = rng.standard_normal((N_ROWS, 32)) * 10.0 ** rng.uniform(-36, 36, (N_ROWS, 1))
    x[:50] = np.round(x[:50] / abs(x[:50]).max(1, keepdims=True) * 254) / 2  # halves: ties
    x[50:60] = 0
    x[60, 3], x[61, 31], x[62, 0] = np.nan, np.inf, -np.inf
    return x.astype(np.float32)


MOST = {"i16": 32767, "q8_0": 127}
"""Of a key's or a query's integers."""
MOST_VALUE = {"i16": 16383, "q8_0": 127}
NORM = 46300
"""The most that the Euclidean norm of a query's or a key's integers may be."""


def rotated(x: np.ndarray) -> np.ndarray:
    """H x / sqrt(n), in the type of x and the order of the kernels, of runs of 2^n channels."""
    width = x.shape[1]
    size = width & -width
    y = x.reshape(len(x), -1, size)
    with np.errstate(invalid="ignore", over="ignore"):
        for _ in range(size.bit_length() - 1):
            a, b = y[..., : size // 2], y[..., size // 2 :]
            y = np.stack([a + b, a - b], -1).reshape(y.shape)
        return (y * y.dtype.type(1 / np.sqrt(np.float32(size)))).reshape(x.shape)


def quantized(x: Floats, kv_type: str, *, norm: bool, most: int) -> tuple[Floats, Floats]:
    """What pages of integers hold of rows of x, rotated where they are: integers, and scales.

    With `norm`, the Euclidean norm of a row stays below NORM.
    """
    if kv_type == "q8_0":
        x = rotated(x)
    finite = np.isfinite(x).all(1, keepdims=True)
    with np.errstate(all="ignore"):
        largest = np.where(finite, abs(x), 0).max(1, keepdims=True).astype(np.float32)
        exact = largest * (np.float32(1) / np.float32(most))
        if norm:
            unit = x * (np.float32(1) / largest)
            root = np.sqrt(_squares(unit))[:, None]
            exact = np.fmax(exact, largest * (root * (np.float32(1) / np.float32(NORM))))
        bits = (exact.view(np.uint32) + np.uint32(0xFFFF)) & np.uint32(0xFFFF0000)
        scale = np.where(largest < 2.0**-100, 0, bits.view(np.float32)).astype(np.float32)
        inverse = np.where(scale > 0, np.float32(1) / scale, 0).astype(np.float32)
        integers = np.rint(np.where(finite, x, 0) * inverse).astype(np.float32)
    return integers, np.where(finite, scale, np.float32(np.nan))


def _squares(x: Floats) -> Floats:
    """Sums of squares of rows: fmas over 16 lanes, then by halves."""
    padded = np.zeros((len(x), -(-x.shape[1] // 16) * 16), np.float32)
    padded[:, : x.shape[1]] = x
    lanes = np.zeros((len(x), 16), np.float32)
    for part in padded.reshape(len(x), -1, 16).transpose(1, 0, 2).astype(np.float64):
        lanes = (part * part + lanes).astype(np.float32)
    while lanes.shape[1] > 1:
        half = lanes.shape[1] // 2
        lanes = lanes[:, :half] + lanes[:, half:]
    return lanes[:, 0]
