"""Checkpoints of Hugging Face's form, converted to GGUF, verified and run."""

from __future__ import annotations

import json
import struct
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pestle
from pestle.conversion.verification import verify

from fuzzing import bundle, chance, tiny_models
from fuzzing.kinds import Kind
from fuzzing.running import run_model
from fuzzing.scratch import in_memory
from tests.oracle import checkpoint_folder

_TO = ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_K_M", "Q2_K", "MXFP4_MOE")
_DTYPES = ("F32", "BF16", "F16", "F8_E4M3", "U8", "I64", "F64", "BOOL", "X")


@cache
def _files(architecture: str, dtype: str) -> dict[str, bytes]:
    with in_memory() as folder:
        path = Path(folder) / "source"
        case, weights = tiny_models.case_of(architecture), tiny_models.weights_of(architecture)
        checkpoint_folder.write(path, case, weights, dtype)
        return {file.name: file.read_bytes() for file in sorted(path.iterdir())}


def _with_header(raw: bytes, rng: Random) -> bytes:
    """A safetensors file with something wrong in its list of tensors."""
    (length,) = struct.unpack_from("<Q", raw)
    header: Any = json.loads(raw[8 : 8 + length])
    if rng.random() < 0.3:
        name = rng.choice(list(header))
        header[name]["dtype"] = rng.choice(_DTYPES)
    else:
        header = chance.mutated_json(header, rng)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + raw[8 + length :]


def make(rng: Random) -> bytes:
    files = dict(_files(rng.choice(tiny_models.ARCHITECTURES), rng.choice(("F32", "BF16"))))
    for _ in range(rng.choice([0, 1, 1, 1, 2])):
        name = rng.choice([*files, "config.json", "config.json", "tokenizer.json"])
        raw = files.get(name, b"{}")
        if rng.random() < 0.1:
            files.pop(name, None)
        elif rng.random() < 0.15:
            changed = bytearray(raw)
            chance.mutated_bytes(changed, rng)
            files[name] = bytes(changed)
        elif name.endswith(".json"):
            try:
                files[name] = json.dumps(chance.mutated_json(json.loads(raw), rng, 0.2)).encode()
            except ValueError:
                continue  # bytes of it were changed before
        elif rng.random() < 0.7:
            try:
                files[name] = _with_header(raw, rng)
            except (ValueError, struct.error, TypeError, KeyError):
                continue
        else:
            at = rng.randrange(len(raw) // 2, len(raw)) if len(raw) > 8 else 0
            bits = struct.pack("<I", rng.choice([0x7F800000, 0x7FC00000, 0x7F7FFFFF, 1]))
            files[name] = raw[:at] + bits + raw[at + 4 :]
    return bundle.bundled(files)


def run(case: bytes, folder: Path, rng: Random) -> None:
    source = folder / "source"
    source.mkdir()
    bundle.write(case, source)
    made = folder / "made.gguf"
    pestle.convert(
        source, made, to=rng.choice(_TO), split_size=rng.choice([0, 0, 0, 20_000]), threads=1
    )
    path = sorted(folder.glob("made*.gguf"))[0]
    assert verify(path, rederive=source, threads=1).ok
    run_model(path, rng)


KIND = Kind(make, run)
