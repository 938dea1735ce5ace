"""Importance matrices, in both of their forms."""

from __future__ import annotations

import struct
from pathlib import Path
from random import Random

from pestle.quantization.importance import read_imatrix

from fuzzing import chance
from fuzzing.gguf_document import Document, TensorData, entry_of
from fuzzing.gguf_mutations import mutate
from fuzzing.kinds import Kind

_NAMES = ("blk.0.attn_q.weight", "blk.0.ffn_up_exps.weight", "blk.1.ffn_down.weight")


def _gguf(rng: Random) -> bytes:
    keys = {
        "general.type": "imatrix",
        "imatrix.datasets": ["text"],
        "imatrix.chunk_count": 3,
        "imatrix.chunk_size": 512,
    }
    parts = []
    for name in _NAMES:
        matrices = 4 if "exps" in name else 1
        sums = struct.pack(f"<{8 * matrices}f", *(rng.random() * 9 for _ in range(8 * matrices)))
        counts = struct.pack(f"<{matrices}f", *range(matrices))
        parts.append(TensorData(f"{name}.in_sum2", (8, matrices), 0, sums))
        parts.append(TensorData(f"{name}.counts", (1, matrices), 0, counts))
    document = Document([entry_of(key, value) for key, value in keys.items()], parts)
    for _ in range(rng.choice([0, 1, 1, 1, 2, 3])):
        mutate(document, rng)
    return document.to_bytes()


def _dat(rng: Random) -> bytes:
    def count(n: int) -> bytes:
        odd = rng.random() < 0.08
        return struct.pack("<i", (chance.number(rng) + 2**31) % 2**32 - 2**31 if odd else n)

    raw = count(len(_NAMES))
    for name in _NAMES:
        n = rng.choice([1, 8])
        values = [rng.random() if rng.random() < 0.95 else chance_float(rng) for _ in range(n)]
        raw += count(len(name)) + name.encode() + count(5) + count(n)
        raw += struct.pack(f"<{n}f", *values)
    return raw + (count(3) + count(4) + b"text" if rng.random() < 0.7 else b"")


def chance_float(rng: Random) -> float:
    """One that a float32 holds."""
    return rng.choice([value for value in chance.FLOATS if not 3.5e38 < abs(value) < 1e309])


def make(rng: Random) -> bytes:
    raw = bytearray(_gguf(rng) if rng.random() < 0.5 else _dat(rng))
    if rng.random() < 0.3:
        chance.mutated_bytes(raw, rng)
    return bytes(raw)


def run(case: bytes, folder: Path, rng: Random) -> None:
    path = folder / "imatrix"
    path.write_bytes(case)
    found = read_imatrix(path)
    for importance in found.tensors.values():
        assert importance.sums.shape[0] == len(importance.counts)


KIND = Kind(make, run)
