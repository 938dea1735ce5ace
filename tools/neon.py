"""Check that an Arm build computes, chooses, scores and quantizes as this one does, byte for byte.

Cross-compiles the core and the drivers of tests/native with the Clang of the `ziglang` package, and
runs them under qemu-user, on tiny models and on rows of all sizes, with the neondot and the scalar
kernels. What they give is compared with the installed package's.

    python tools/neon.py [--build FOLDER]

Needs an environment with '.[test,dev]' and qemu-aarch64 (Debian: qemu-user).
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import gguf
import numpy as np
from pestle import _core
from pestle.quantization import quantize_rows
from pestle.types import QUANTIZABLE

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.oracle import checkpoints, expected, gguf_file  # noqa: E402

ISAS = ("neondot", "scalar")
KV_TYPES = ("i16", "f16", "q8_0")
# (checkpoint, type of its matrices): each kernel family once, and rows that do not divide by 16.
MODELS = (
    ("llama-256", "F32"),
    ("llama-256", "F16"),
    ("llama-256", "Q8_0"),
    ("llama-256", "Q4_0"),
    ("llama-256", "Q5_1"),
    ("llama-256", "MXFP4"),
    ("llama-256", "Q2_K"),
    ("llama-256", "Q4_K"),
    ("llama-256", "Q6_K"),
    ("llama-256", "IQ4_XS"),
    ("llama-ragged", "Q8_0"),
    ("qwen2-yarn", "Q4_1"),
    ("qwen3moe-256", "Q4_K"),
    ("gptoss-1024", "MXFP4"),
    ("deepseek3-ragged", "Q8_0"),
    ("gemma3-linear", "Q8_0"),
)
N_TOKENS = 72  # into the second page of 64 positions
CHUNK = 32
N_TOP = 5  # as the driver reports


def build(folder: Path) -> Path:
    """Cross-compile the drivers; return their folder. Raises CalledProcessError."""
    spec = importlib.util.find_spec("ziglang")
    if spec is None or spec.origin is None:
        sys.exit("neon: the ziglang package is missing: pip install '.[dev]'")
    zig = Path(spec.origin).parent / "zig"
    settings = {
        "CMAKE_TOOLCHAIN_FILE": ROOT / "tests" / "native" / "aarch64-linux.cmake",
        "PESTLE_ZIG": zig,
        "CMAKE_BUILD_TYPE": "Release",
        "PESTLE_BUILD_PYTHON": "OFF",
        "PESTLE_BUILD_NATIVE_TESTS": "ON",
    }
    defines = [f"-D{name}={value}" for name, value in settings.items()]
    subprocess.run(["cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", *defines], check=True)
    subprocess.run(["cmake", "--build", folder, "--target", "logits", "blocks"], check=True)
    return folder / "tests" / "native"


def run_on_arm(isa: str, driver: Path, *arguments: object) -> None:
    """Run a driver under qemu with the kernels of one set."""
    done = subprocess.run(
        ["qemu-aarch64", "-cpu", "max", driver, *map(str, arguments)],
        env=os.environ | {"PESTLE_ISA": isa},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    if done.stdout.split() != [isa]:
        sys.exit(f"neon: asked for {isa}, the driver ran {done.stdout!r}")


def logits_here(path: Path, tokens: Sequence[int], kv_type: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the installed package's logits (tokens, vocabulary), and what it makes of them."""
    engine = _core.Engine(_core.Model(path, threads=1), n_ctx=256, threads=1, kv_type=kv_type)
    sequence = engine.sequence()
    sampler = _core.Sampler(seed=7, repeat_penalty=1.1)
    rows, choices = [], []
    for start in range(0, len(tokens), CHUNK):
        engine.step([(sequence, tokens[start : start + CHUNK])], logits="all")
        rows.append(engine.logits())
        for row in range(len(rows[-1])):
            history = list(tokens[: start + row + 1])
            drawn = sampler.sample(engine, row, history, N_TOP)
            ids, logprobs = zip(*drawn.top, strict=True)
            (scored,) = engine.score(row, history[-1:])
            choices.append([drawn.token, drawn.logprob, *ids, *logprobs, scored.logprob])
    logits = np.concatenate(rows)
    first = np.broadcast_to(logits[0], logits.shape).copy()
    divergences = _core.compare_logits(logits, first, np.array(tokens, np.int32), 1)[2]
    return logits, np.column_stack([np.array(choices), divergences])


def logits_on_arm(
    driver: Path, isa: str, path: Path, tokens: Sequence[int], kv_type: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return the same of the emulated build, flat, with the kernels of one set."""
    output = path.with_suffix(f".{isa}")
    run_on_arm(isa, driver, path, kv_type, CHUNK, 2, output, *tokens)
    choices = output.with_name(f"{output.name}.choices")
    return np.fromfile(output, dtype=np.float32), np.fromfile(choices, dtype=np.float64)


def compare_blocks(driver: Path, folder: Path) -> int:
    """Print a line for each type and kernel set; return how many differ."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((40, 1280), np.float32)
    rows *= np.ldexp(np.float32(1), rng.integers(-24, 12, (40, 1)))
    importance = rng.exponential(size=1280).astype(np.float32)
    rows.tofile(folder / "rows")
    importance.tofile(folder / "importance")
    differing = 0
    for kind, isa, weights in itertools.product(QUANTIZABLE, ISAS, (None, importance)):
        given = "-" if weights is None else folder / "importance"
        number = int(gguf.GGMLQuantizationType[kind])
        run_on_arm(isa, driver, number, 1280, folder / "rows", given, folder / "blocks")
        here = quantize_rows(kind, rows, importance=weights).tobytes()
        equal = here == (folder / "blocks").read_bytes()
        differing += not equal
        how = "plain" if weights is None else "weighted"
        print(f"{isa:8} {kind:7} {how:9} {'equal' if equal else 'blocks differ'}")
    return differing


def differences(here: np.ndarray, there: np.ndarray, what: str) -> list[str]:
    """Return a line that counts the numbers whose bits differ; none if all are equal."""
    bits = f"u{here.itemsize}"
    wrong = np.count_nonzero(here.ravel().view(bits) != there.view(bits))
    return [f"{wrong} {what} of {here.size} differ"] if wrong else []


def compare(driver: Path, folder: Path) -> int:
    """Print a line for each model and kernel set; return how many differ."""
    differing = 0
    for name, type_name in MODELS:
        case = checkpoints.CASES[name]
        parameters, _, _ = expected.load(case)
        path = gguf_file.write(folder / f"{name}.{type_name}.gguf", case, parameters, type_name)
        tokens = checkpoints.tokens(case, N_TOKENS)
        for kv_type, isa in itertools.product(KV_TYPES, ISAS):
            here = logits_here(path, tokens, kv_type)
            there = logits_on_arm(driver, isa, path, tokens, kv_type)
            verdict = differences(here[0], there[0], "logits")
            verdict += differences(here[1], there[1], "choices and figures")
            differing += bool(verdict)
            print(f"{isa:8} {name:13} {type_name:7} {kv_type:5} {', '.join(verdict) or 'equal'}")
    return differing


def main() -> int:
    """Build, compare, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "aarch64", metavar="FOLDER")
    drivers = build(parser.parse_args().build)
    print(f"compared with {_core.isa()} here")
    with tempfile.TemporaryDirectory() as folder:
        differing = compare_blocks(drivers / "blocks", Path(folder))
        differing += compare(drivers / "logits", Path(folder))
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
