"""Fuzzing that is guided by coverage: libFuzzer for the C++ reader, atheris for what is Python.

Both tools are optional: Debian's clang with libclang-rt-*-dev, and `pip install atheris`, which has
wheels for some Pythons on Linux only.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from fuzzing.findings import CORPUS, ROOT
from fuzzing.kinds import kind

PYTHON_TARGETS = ("template", "tokenizer", "messages", "constraint", "answer", "imatrix", "hub")
_SEEDS = 400  # cases that the search begins with
_MOST_SECONDS = 5  # for one case
_MOST_MB = 2048
_SOURCES = (
    *(f"cpp/core/{name}.cpp" for name in ("buffer", "input_file", "text")),
    "tools/fuzzing/gguf_target.cpp",
)


def run(target: str, minutes: float, out: Path) -> int:
    """Search for so long; an exit code: 0 nothing found, 1 a finding, 2 it cannot be run here."""
    out = out.resolve()
    if target == "gguf":
        return _libfuzzer(minutes, out)
    if target not in PYTHON_TARGETS:
        return _cannot(f"no target {target!r}; there are gguf, {', '.join(PYTHON_TARGETS)}")
    if importlib.util.find_spec("atheris") is None:
        return _cannot(f"{target} needs atheris: pip install atheris (Linux; CPython 3.11 to 3.13)")
    command = [sys.executable, "-m", "fuzzing.atheris_target", target]
    return _search(command, target, minutes, out, {"PYTHONPATH": _path()})


def sources() -> list[Path]:
    """What the libFuzzer target is built of."""
    return [*sorted((ROOT / "cpp/gguf").glob("*.cpp")), *(ROOT / name for name in _SOURCES)]


def _libfuzzer(minutes: float, out: Path) -> int:
    clang = shutil.which("clang++")
    if clang is None:
        return _cannot("gguf needs clang++ with libFuzzer: apt-get install clang libclang-rt-dev")
    out.mkdir(parents=True, exist_ok=True)
    binary = out / "gguf_target"
    command = [clang, "-std=c++20", "-g", "-O1", "-fsanitize=fuzzer,address,undefined"]
    command += ["-fno-sanitize-recover=all", f"-I{ROOT / 'cpp'}", *map(str, sources())]
    built = subprocess.run([*command, "-o", str(binary)], capture_output=True, text=True)
    if built.returncode != 0:
        return _cannot(f"the target does not build with {clang}:\n{built.stderr[-3000:]}")
    return _search([str(binary)], "gguf-header", minutes, out, {})


def _search(command: list[str], name: str, minutes: float, out: Path, more: dict[str, str]) -> int:
    """libFuzzer's own options; what it found interesting stays in OUT/coverage/NAME."""
    grown, artifacts = out / "coverage" / name, out / f"coverage-{name}-"
    seeds = out / "coverage" / f"{name}-seeds"
    for folder in (grown, seeds):
        folder.mkdir(parents=True, exist_ok=True)
    for seed in range(_SEEDS):
        (seeds / str(seed)).write_bytes(kind(name).case(name, seed))
    committed = [str(CORPUS / name)] if (CORPUS / name).is_dir() else []
    options = [
        f"-max_total_time={max(1, round(60 * minutes))}", f"-timeout={_MOST_SECONDS}",
        f"-rss_limit_mb={_MOST_MB}", f"-artifact_prefix={artifacts}", "-print_final_stats=1",
        "-max_len=65536",
    ]  # fmt: skip
    environment = {**os.environ, "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1", **more}
    done = subprocess.run(
        [*command, *options, str(grown), str(seeds), *committed], check=False, env=environment
    )
    return 0 if done.returncode == 0 else 1


def _path() -> str:
    inherited = os.environ.get("PYTHONPATH")
    return os.pathsep.join([str(ROOT / "tools"), *([inherited] if inherited else [])])


def _cannot(why: str) -> int:
    print(f"tools/fuzz: {why}", file=sys.stderr)
    return 2
