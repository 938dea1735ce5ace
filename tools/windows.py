"""Check under wine that a Windows build computes as this one does, byte for byte, and reads files.

Cross-compiles the core and the drivers of tests/native with the Clang of the `ziglang` package, and
runs them: tiny models, rows of all sizes, storms of threads; files whose names have spaces and
umlauts, that are larger than 4 GB, or removed, replaced or cut while they are open. What wine
cannot show is listed in docs/releasing.md.

    python tools/windows.py [--build FOLDER]

Needs an environment with '.[test,dev]' and wine (Debian: wine wine64).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from foreign import ROOT, build, compare_blocks, compare_logits
from pestle import _core

TARGET = "x86_64-windows-gnu"
DRIVERS = ("logits", "blocks", "engine", "files", "thread_pool")
FOLDER = "Mit Leerzeichen, Umläuten und ☃"
FAR = 5 << 30  # where no 32-bit offset reaches
Done = subprocess.CompletedProcess[str]


class Wine:
    """Runs the drivers, in a block."""

    def __init__(self, drivers: Path, prefix: Path) -> None:
        program = shutil.which("wine")
        if program is None:
            raise SystemExit("windows: wine is missing (Debian: wine wine64)")
        self.program, self.drivers = program, drivers
        prefix.mkdir()
        self.environment = os.environ | {
            "WINEPREFIX": str(prefix),
            "WINEDEBUG": "-all",
            # Without these it would offer to download .NET and a browser.
            "WINEDLLOVERRIDES": "mscoree,mshtml=",
            "LC_ALL": "C.UTF-8",  # names of files in UTF-8, messages in English
        }

    def __enter__(self) -> Wine:
        # What wine runs in the background stays: started for each driver, it would take seconds.
        # It inherits what it is started with, so a driver's pipe would never end.
        for command in (["wineserver", "-p"], [self.program, "wineboot"]):
            silent = subprocess.DEVNULL
            subprocess.run(command, env=self.environment, check=True, stdout=silent, stderr=silent)
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["wineserver", "-k"], env=self.environment, check=False)

    def start(self, isa: str, driver: str, arguments: Sequence[object]) -> Done:
        """Run a driver to its end."""
        words = [f"Z:{word}" if isinstance(word, Path) else str(word) for word in arguments]
        return subprocess.run(
            [self.program, self.drivers / f"{driver}.exe", *words],
            env=self.environment | {"PESTLE_ISA": isa},
            capture_output=True,
            encoding="utf-8",
        )

    def run(self, isa: str, driver: str, *arguments: object) -> str:
        """As `foreign.Run`. Raises SystemExit with what the driver said where it fails."""
        done = self.start(isa, driver, arguments)
        if done.returncode:
            raise SystemExit(f"windows: {driver} ended with {done.returncode}: {done.stderr}")
        return done.stdout.replace("\r\n", "\n")

    def refusal(self, driver: str, *arguments: object) -> str:
        """What a driver says when it ends with an error. Raises SystemExit where it does not."""
        done = self.start("", driver, arguments)
        if done.returncode != 1:
            raise SystemExit(f"windows: {driver} ended with {done.returncode}, expected 1")
        return "".join(line for line in done.stderr.splitlines(True) if line.startswith(driver))


def check_files(wine: Wine, folder: Path) -> int:
    """Print a line for each thing that happens to files; return how many went wrong."""
    path, other = folder / "Datei ä.bin", folder / "andere ö.bin"
    shown = f"Z:{path}"
    taken = f"{shown}: another file has taken its place while it was in use\n"
    wrong = 0

    def check(name: str, said: str, *expected: str) -> None:
        nonlocal wrong
        wrong += said not in expected
        print(f"files    {name:40} {'right' if said in expected else f'wrong: {said!r}'}")

    def drive(what: str, *arguments: object) -> str:
        return wine.run("", "files", what, *arguments)

    with path.open("wb") as file:
        file.seek(FAR)
        file.write(b"far away")  # behind a hole
    check("beyond 4 GB, in the cache and past it", drive("read", path, FAR, 8), "far away")
    path.write_bytes(b"0123456789")
    check("in the middle", drive("read", path, 3, 4), "3456")
    check("cut while open", drive("cut", path), "forbidden\n")
    other.write_bytes(b"another one")
    # As Windows, wine replaces no file that somebody has open. Where it was moved away before, both
    # opening it once more and opening it past the cache must notice.
    check("replaced while open", drive("replaced", path, other), f"in two moves\n{taken}{taken}")
    check("what has its name then", path.read_bytes().decode(), "another one")
    # Its name stays until it is closed (wine), or goes at once (NTFS of Windows 10 and later).
    missing = f"{shown}: File not found\n"
    check("removed while open", drive("removed", path), "no error\n", missing)
    said = wine.refusal("files", "read", path, 0, 1)
    check("removed, once it is closed", said, f"files: {missing}")
    said = wine.refusal("files", "read", folder, 0, 1)
    check("a folder", said, f"files: Z:{folder}: Is a directory\n")
    return wrong


def check_threads(wine: Wine, model: Path) -> int:
    """Storms of threads on a pool, and on an engine whose logits must not change."""
    loops = int(wine.run("", "thread_pool"))
    steps = int(wine.run("", "engine", model, 8, 30))
    print(f"threads  {loops} loops of a pool, {steps} steps of 8 threads on one engine")
    return (loops != 3000) + (steps == 0)


def main() -> int:
    """Build, compare, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "windows", metavar="FOLDER")
    drivers = build(parser.parse_args().build, TARGET, *DRIVERS)
    with tempfile.TemporaryDirectory() as name, Wine(drivers, Path(name) / "wine") as wine:
        folder = Path(name) / FOLDER
        folder.mkdir()
        isas = [isa for isa in _core.isas() if isa != "avx512amx"]
        print(f"compared with {_core.isa()} here")
        differing = check_files(wine, folder)
        differing += compare_blocks(wine.run, isas, folder)
        differing += compare_logits(wine.run, isas, folder)
        differing += check_threads(wine, next(folder.glob("qwen3moe-256.*.gguf")))
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
