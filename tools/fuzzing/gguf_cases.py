"""Model files with one or a few things wrong, of every architecture: loaded and run."""

from __future__ import annotations

from pathlib import Path
from random import Random

from pestle.types import QUANTIZABLE, TYPES

from fuzzing import chance, tiny_models
from fuzzing.gguf_document import Document
from fuzzing.gguf_mutations import mutate
from fuzzing.kinds import Kind
from fuzzing.running import read_everything, run_model

_WIDE = tuple(kind for kind in QUANTIZABLE if TYPES[kind].block_elems == 256)
_NARROW = tuple(kind for kind in QUANTIZABLE if kind not in _WIDE)


def base(rng: Random) -> Document:
    """A valid model."""
    architecture = rng.choice(tiny_models.ARCHITECTURES)
    kind = rng.choice(_WIDE if architecture == "llama-256" else _NARROW)
    return tiny_models.model(architecture, kind, rng.choice(("gpt2", "gpt2", "llama"))).copy()


def document(rng: Random) -> Document:
    """A model with something wrong, or (seldom) a valid one."""
    found = base(rng)
    for _ in range(rng.choice([0, 1, 1, 1, 1, 1, 1, 2, 2, 3])):
        mutate(found, rng)
    return found


def make(rng: Random) -> bytes:
    encoded = document(rng).to_bytes()
    if rng.random() < 0.05:
        raw = bytearray(encoded)
        chance.mutated_bytes(raw, rng)
        return bytes(raw)
    return encoded


def run(case: bytes, folder: Path, rng: Random) -> None:
    path = folder / "model.gguf"
    path.write_bytes(case)
    try:
        read_everything(path)
    finally:  # what one of them refuses, the other may not
        run_model(path, rng)


KIND = Kind(make, run)
