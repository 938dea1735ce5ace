"""The command line of tools/build_wheels."""

from __future__ import annotations

import argparse
import hashlib
import platform
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from .build import ROOT, Builder, Source
from .offline import install_offline
from .platforms import PLATFORMS, Interpreter
from .trial import attempt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="build_wheels", description="Build wheels for Linux, and try them."
    )
    parser.add_argument(
        "--python",
        type=Path,
        nargs="+",
        default=[Path(sys.executable)],
        help="for each of these, which need their headers [this one]",
    )
    parser.add_argument(
        "--platform", nargs="+", choices=PLATFORMS, default=["x86_64"], help="[x86_64]"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="[dist]")
    parser.add_argument(
        "--work", type=Path, default=ROOT / "build" / "wheels", help="[build/wheels]"
    )
    parser.add_argument(
        "--again",
        action="store_true",
        help="build all twice, in two folders, the second time with an empty compiler's cache, "
        "and fail where a byte differs",
    )
    parser.add_argument(
        "--try",
        dest="attempt",
        action="store_true",
        help="install those that run here in environments without a compiler: a first answer, "
        "logits, tests",
    )
    parser.add_argument(
        "--offline",
        action="store_true",
        help="install the source distribution without a network, by the system's compiler",
    )
    parser.add_argument(
        "--emulate",
        type=Path,
        metavar="ROOT",
        help="a root folder with arm64 Pythons in usr/bin, in which aarch64's wheels are tried "
        "under qemu-user",
    )
    return parser


def build_source(builder: Builder, interpreter: Interpreter, out: Path) -> Source:
    """Build the source distribution, and say how long it took."""
    started = time.monotonic()
    source = builder.source(interpreter, out)
    _report(source.archive, started)
    return source


def build_wheels(
    builder: Builder,
    source: Source,
    interpreters: list[Interpreter],
    platforms: list[str],
    out: Path,
) -> Iterator[tuple[Path, Interpreter]]:
    """Build all, say how long it took, and yield what was made with the Python that it is for."""
    for name in platforms:
        chosen = PLATFORMS[name]
        started = time.monotonic()
        library = builder.library(interpreters[0], chosen, source)
        print(f"{time.monotonic() - started:5.0f} s  the library for {chosen.tag}", flush=True)
        for interpreter in interpreters:
            started = time.monotonic()
            wheel = builder.wheel(interpreter, chosen, source, library, out)
            _report(wheel, started)
            yield wheel, interpreter


def main() -> int:
    """Build what was asked for; return the exit code."""
    asked = _parser().parse_args()
    interpreters = [Interpreter.of(path) for path in asked.python]
    builder, out = Builder(asked.work.resolve()), asked.out.resolve()
    source = build_source(builder, interpreters[0], out)
    wheels = []
    for path, interpreter in build_wheels(builder, source, interpreters, asked.platform, out):
        wheels.append(path)
        here = path.name.endswith(f"_{platform.machine()}.whl")
        if here and asked.attempt:
            attempt(path, interpreter)
        if here and asked.offline:
            install_offline(source, path, interpreter)
        if asked.emulate and path.name.endswith("_aarch64.whl"):
            attempt(path, interpreter, asked.emulate.resolve())
    if asked.again:
        with tempfile.TemporaryDirectory(prefix="build_wheels-") as name:
            folder = Path(name)
            other = Builder(folder / "work", ZIG_GLOBAL_CACHE_DIR=str(folder / "zig"))
            made = build_source(other, interpreters[0], folder / "out")
            again = build_wheels(other, made, interpreters, asked.platform, folder / "out")
            pairs = [(source.archive, made.archive)]
            pairs += zip(wheels, (path for path, _ in again), strict=True)
            differing = [a.name for a, b in pairs if a.read_bytes() != b.read_bytes()]
        if differing:
            raise SystemExit(f"build_wheels: the second build differs: {', '.join(differing)}")
        print(f"built twice: all {len(pairs)} files have the same bytes")
    return 0


def _report(path: Path, started: float) -> None:
    seconds, size = time.monotonic() - started, path.stat().st_size
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    print(f"{seconds:5.0f} s  {path.name}, {size:,} bytes, sha256 {digest}", flush=True)
