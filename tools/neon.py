"""Check that an Arm build computes, chooses, scores and quantizes as this one does, byte for byte.

Cross-compiles the core and the drivers of tests/native with the Clang of the `ziglang` package, and
runs them under qemu-user, on tiny models and on rows of all sizes, with the neondot and the scalar
kernels. What they give is compared with the installed package's.

    python tools/neon.py [--build FOLDER]

Needs an environment with '.[test,dev]' and qemu-aarch64 (Debian: qemu-user).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from foreign import ROOT, build, compare_blocks, compare_logits
from pestle import _core

ISAS = ("neondot", "scalar")
TARGET = "aarch64-linux-musl"
"""musl links statically: qemu-user needs no Arm libraries to run the result."""


def main() -> int:
    """Build, compare, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "aarch64", metavar="FOLDER")
    drivers = build(parser.parse_args().build, TARGET, "logits", "blocks")

    def run(isa: str, driver: str, *arguments: object) -> str:
        command = ["qemu-aarch64", "-cpu", "max", str(drivers / driver), *map(str, arguments)]
        environment = os.environ | {"PESTLE_ISA": isa}
        done = subprocess.run(
            command, env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
        return done.stdout

    print(f"compared with {_core.isa()} here")
    with tempfile.TemporaryDirectory() as folder:
        differing = compare_blocks(run, ISAS, Path(folder))
        differing += compare_logits(run, ISAS, Path(folder))
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
