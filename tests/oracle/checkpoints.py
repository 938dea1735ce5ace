"""Tiny checkpoints that are rebuilt anywhere, to the bit, from a name: no weights are committed.

A case is a config of `transformers` and a seed. Its weights have Hugging Face's names and shapes
and come from Philox's raw bits, which numpy keeps stable. Every parameter is random: a norm weight
of 1 or a bias of 0 would hide the code that forgets it.
"""

from __future__ import annotations

import hashlib
import zlib

import numpy as np

from .case import Case
from .cases import CASES
from .parameters import parameters_of

__all__ = ["CASES", "Case", "Weights", "digest", "tokens", "weights"]

Weights = dict[str, np.ndarray]


def _normal(seed: int, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Nearly normal numbers (float64, mean 0, deviation 1): the sums of four 16-bit integers."""
    bits = np.random.Philox(key=[seed, zlib.crc32(name.encode())]).random_raw(int(np.prod(shape)))
    fours = bits.astype("<u8").view("<u2").reshape(-1, 4).astype(np.int64)
    return ((fours.sum(axis=1) - 2 * 65535) / (65536 / np.sqrt(3))).reshape(shape)


def weights(case: Case) -> Weights:
    """The parameters under Hugging Face's names, float32, in a fixed order."""
    out: Weights = {}
    for name, random in parameters_of(case).items():
        numbers = random.mean + random.deviation * _normal(case.seed, name, random.shape)
        out[name] = numbers.astype(np.float32)
        for ending, rows in case.fixed.items():
            if name.endswith(ending):
                for row, value in rows.items():
                    out[name][row] = value
    return out


def digest(parameters: Weights) -> str:
    """What the committed logits were computed from."""
    sha = hashlib.sha256()
    for name, values in parameters.items():
        sha.update(name.encode())
        sha.update(values.astype("<f4").tobytes())
    return sha.hexdigest()


def tokens(case: Case, n: int, stream: int = 0) -> list[int]:
    """`n` token ids."""
    key = [case.seed, zlib.crc32(f"tokens {case.name} {stream}".encode())]
    return (np.random.Philox(key=key).random_raw(n) % case.n_vocab).astype(int).tolist()
