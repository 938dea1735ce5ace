"""Compile and link the core and the drivers of tests/native for macOS, on Intel and Apple silicon.

By the Clang of the `ziglang` package, which brings what a program for macOS is linked against. It
cannot be run here: what only a Mac can show is listed in docs/releasing.md.

    python tools/macos.py [--build FOLDER] [--processor x86_64|aarch64 ...]

Needs an environment with '.[dev]'.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from foreign import ROOT, build

OLDEST = "11.0"
"""As MACOSX_DEPLOYMENT_TARGET of the wheels: pyproject.toml."""
DRIVERS = ("logits", "blocks", "engine", "files", "thread_pool")
# <mach/machine.h>: what stands behind the first four bytes of a 64-bit Mach-O file.
MAGIC = bytes.fromhex("cffaedfe")
CPU_TYPES = {"x86_64": 0x01000007, "aarch64": 0x0100000C}


def main() -> int:
    """Build for each; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "macos", metavar="FOLDER")
    parser.add_argument("--processor", nargs="+", choices=CPU_TYPES, default=list(CPU_TYPES))
    asked = parser.parse_args()
    for processor in asked.processor:
        folder = build(asked.build / processor, f"{processor}-macos.{OLDEST}", *DRIVERS)
        for driver in DRIVERS:
            start = (folder / driver).read_bytes()[:8]
            if start != MAGIC + CPU_TYPES[processor].to_bytes(4, "little"):
                raise SystemExit(f"macos: {folder / driver} is not a program for {processor}")
        print(f"{processor}: {', '.join(DRIVERS)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
