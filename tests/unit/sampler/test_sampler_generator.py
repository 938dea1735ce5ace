"""The random numbers behind the draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pestle import _core

from . import logit_table
from .choices import FLAT, RANDOM, UNCUT, VOCABULARY, sample
from .reference import philox, uniform


def test_reference_generator() -> None:
    """The known answers of Random123 (kat_vectors)."""
    ones = 0xFFFFFFFF
    assert philox((0, 0, 0, 0), (0, 0)) == (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)
    assert philox((ones,) * 4, (ones,) * 2) == (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)
    pi = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344)
    assert philox(pi, (0xA4093822, 0x299F31D0)) == (
        0xD16CFE09,
        0x94FDCCEB,
        0x5001E420,
        0x24126EA1,
    )


def test_generator(tmp_path: Path) -> None:
    """Among n equal logits the draw shows the first bits of the generator."""
    n = 1 << 14
    path = logit_table.write(tmp_path / "flat.gguf", np.zeros((1, n), np.float32))
    engine = logit_table.engine(path, 1)
    for seed in (0, 1, 2**32, 2**64 - 1, 0x123456789ABCDEF):
        sampler = _core.Sampler(temperature=1.0, seed=seed, **UNCUT)
        for length in (0, 1, 2, 63, 1000, 70000):
            token = sampler.sample(engine, 0, [0] * length).token
            assert token == int(uniform(seed, length) * n)


def test_the_draw_depends_on_seed_and_length_alone(engine: _core.Engine) -> None:
    options = {"temperature": 1.0, **UNCUT}
    lengths = list(range(40))
    first = [sample(engine, FLAT, [0] * n, seed=3, **options) for n in lengths]
    used = _core.Sampler(seed=3, **options)
    for n in reversed(lengths):
        history = [(7 * i + n) % VOCABULARY for i in range(n)]
        used.sample(engine, RANDOM, history[: n // 2], 5)
        assert used.sample(engine, FLAT, history).token == first[n]
    other = [sample(engine, FLAT, [0] * n, seed=4, **options) for n in lengths]
    assert sum(a == b for a, b in zip(first, other, strict=True)) < 10
