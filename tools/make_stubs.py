"""Write python/pestle/_core.pyi from the built extension, or check that it is current.

    python tools/make_stubs.py [--check]

Needs an importable pestle._core and pybind11-stubgen.
"""

from __future__ import annotations

import argparse
import difflib
import re
import subprocess
import sys
import tempfile
from pathlib import Path

STUB = Path(__file__).resolve().parent.parent / "python" / "pestle" / "_core.pyi"


def generate() -> str:
    """Return the stub that the importable extension gives. Raises CalledProcessError on failure."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            *(sys.executable, "-m", "pybind11_stubgen", "pestle._core", "--output-dir", folder),
            # A C++ type in a signature is a class bound too late: an error, not a warning.
            "--exit-code",
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        # A module with a submodule becomes a folder.
        text = (Path(folder) / "pestle" / "_core" / "__init__.pyi").read_text(encoding="utf-8")
    return mend(text)


def mend(text: str) -> str:
    """Correct what pybind11-stubgen gets wrong about this module."""
    # It takes our class Sequence for the one of typing. Lists in signatures are collections.abc's.
    text = re.sub(r"\btyping\.Sequence\b", "Sequence", text)
    # A single file has no submodules. Only tests use this one.
    text = text.replace("from . import kernels\n", "from types import ModuleType\n")
    text = re.sub(r"^(__all__.*\n)", r"\1kernels: ModuleType\n", text, flags=re.MULTILINE)
    # Attributes that the translator sets on each instance.
    counts = "class ContextLengthError(Error):\n    needed: int\n    limit: int"
    text = text.replace("class ContextLengthError(Error):\n    pass", counts)
    return text.rstrip("\n") + "\n"


def main() -> int:
    """Write the stub, or with --check print how it differs and return 1."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    check = parser.parse_args().check
    wanted = generate()
    if not check:
        STUB.write_text(wanted, encoding="utf-8")
        return 0
    found = STUB.read_text(encoding="utf-8") if STUB.exists() else ""
    if found == wanted:
        return 0
    lines = difflib.unified_diff(
        found.splitlines(), wanted.splitlines(), "committed", "generated", lineterm=""
    )
    print(*lines, sep="\n", file=sys.stderr)
    print("make_stubs: python/pestle/_core.pyi is stale; run tools/make_stubs.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
