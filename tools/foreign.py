"""A build for another machine beside this one: what it computes must be the same bytes."""

from __future__ import annotations

import importlib.util
import itertools
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import gguf
import numpy as np
from core_logits import logits_here
from pestle.quantization import quantize_rows
from pestle.types import QUANTIZABLE

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.oracle import checkpoints, expected, gguf_file  # noqa: E402

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

Run = Callable[..., str]
"""run(instruction set, driver's name, argument...): runs a driver of tests/native, or what does the
same, over there; returns what it printed, which is the name of the set."""


def zig() -> Path:
    """The cross compiler. Raises SystemExit where its package is missing."""
    spec = importlib.util.find_spec("ziglang")
    if spec is None or spec.origin is None:
        raise SystemExit("the ziglang package is missing: pip install '.[dev]'")
    return Path(spec.origin).parent / "zig"


def build(folder: Path, target: str, *goals: str) -> Path:
    """Cross-compile drivers of tests/native for zig's `target`; return their folder.

    Raises CalledProcessError.
    """
    settings = {
        "CMAKE_TOOLCHAIN_FILE": ROOT / "cmake" / "zig.cmake",
        "PESTLE_ZIG": zig(),
        "PESTLE_ZIG_TARGET": target,
        "CMAKE_BUILD_TYPE": "Release",
        "PESTLE_BUILD_PYTHON": "OFF",
        "PESTLE_BUILD_NATIVE_TESTS": "ON",
    }
    defines = [f"-D{name}={value}" for name, value in settings.items()]
    subprocess.run(["cmake", "-S", ROOT, "-B", folder, "-G", "Ninja", *defines], check=True)
    subprocess.run(["cmake", "--build", folder, "--target", *goals], check=True)
    return folder / "tests" / "native"


def ask(run: Run, isa: str, driver: str, *arguments: object) -> None:
    """Run a driver with the kernels of one set. Raises SystemExit where it ran others."""
    printed = run(isa, driver, *arguments)
    if printed.split() != [isa]:
        raise SystemExit(f"asked for {isa}, {driver} ran {printed!r}")


def compare_blocks(run: Run, isas: Sequence[str], folder: Path) -> int:
    """Print a line for each type and kernel set; return how many differ."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((40, 1280), np.float32)
    rows *= np.ldexp(np.float32(1), rng.integers(-24, 12, (40, 1)))
    importance = rng.exponential(size=1280).astype(np.float32)
    rows.tofile(folder / "rows")
    importance.tofile(folder / "importance")
    differing = 0
    for kind, isa, weights in itertools.product(QUANTIZABLE, isas, (None, importance)):
        given = "-" if weights is None else folder / "importance"
        number = int(gguf.GGMLQuantizationType[kind])
        ask(run, isa, "blocks", number, 1280, folder / "rows", given, folder / "blocks")
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


def _logits_there(
    run: Run, isa: str, path: Path, tokens: Sequence[int], kv_type: str
) -> tuple[np.ndarray, np.ndarray]:
    output = path.with_suffix(f".{isa}")
    ask(run, isa, "logits", path, kv_type, CHUNK, 2, output, *tokens)
    choices = output.with_name(f"{output.name}.choices")
    return np.fromfile(output, dtype=np.float32), np.fromfile(choices, dtype=np.float64)


def compare_logits(
    run: Run, isas: Sequence[str], folder: Path, models: Sequence[tuple[str, str]] = MODELS
) -> int:
    """Print a line for each model and kernel set; return how many differ."""
    differing = 0
    for name, type_name in models:
        case = checkpoints.CASES[name]
        parameters, _, _ = expected.load(case)
        path = gguf_file.write(folder / f"{name}.{type_name}.gguf", case, parameters, type_name)
        tokens = checkpoints.tokens(case, N_TOKENS)
        for kv_type, isa in itertools.product(KV_TYPES, isas):
            here = logits_here(path, tokens, kv_type, CHUNK)
            there = _logits_there(run, isa, path, tokens, kv_type)
            verdict = differences(here[0], there[0], "logits")
            verdict += differences(here[1], there[1], "choices and figures")
            differing += bool(verdict)
            print(f"{isa:8} {name:13} {type_name:7} {kv_type:5} {', '.join(verdict) or 'equal'}")
    return differing
