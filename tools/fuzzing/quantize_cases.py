"""Model files that are quantized, verified and run; and finished files that were changed since."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pestle
from pestle.conversion.verification import verify

from fuzzing import chance, gguf_cases
from fuzzing.kinds import Kind
from fuzzing.running import run_model

_TO = ("F16", "BF16", "Q8_0", "Q4_0", "Q4_K_M", "MXFP4_MOE", "IQ4_NL", "Q2_K")


def run(case: bytes, folder: Path, rng: Random) -> None:
    source, made = folder / "source.gguf", folder / "made.gguf"
    source.write_bytes(case)
    pestle.quantize(
        source,
        made,
        rng.choice(_TO),
        allow_requantize=True,
        split_size=rng.choice([0, 0, 20_000]),
        threads=1,
    )
    paths = sorted(folder.glob("made*.gguf"))
    assert verify(paths[0]).ok
    run_model(paths[0], rng)
    damaged = rng.choice(paths)
    raw = bytearray(damaged.read_bytes())
    chance.mutated_bytes(raw, rng)
    damaged.write_bytes(raw)
    verify(paths[0])


KIND = Kind(gguf_cases.make, run)
