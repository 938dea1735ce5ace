"""A source distribution that installs without a network, from packages that were fetched before."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from .build import Source, run
from .platforms import Interpreter

BUILD_PACKAGES = ("scikit-build-core", "pybind11", "setuptools-scm", "cmake", "ninja")


def install_offline(source: Source, wheel: Path, interpreter: Interpreter) -> None:
    """Fetch what `wheel` and a build need, then compile and install the source distribution.

    Needs the system's compiler, and `unshare`, which starts pip where no network is. Raises
    SystemExit where it asks for anything else, or where the version is another one in the end.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        python = folder / "environment" / "bin" / "python"
        run(sys.executable, "-m", "virtualenv", "-q", "-p", interpreter.path, python.parent.parent)
        packages = folder / "packages"
        run(python, "-m", "pip", "download", "-q", "-d", packages, wheel, *BUILD_PACKAGES)
        next(packages.glob("pestle-*.whl")).unlink()
        # The checkout is not to be found.
        cut_off = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(packages),
            "PATH": f"{python.parent}:{os.environ['PATH']}",
        }
        started = time.monotonic()
        install = (python, "-m", "pip", "install", "-q", source.archive)
        run("unshare", "--map-root-user", "--net", *install, env=cut_off)
        seconds = time.monotonic() - started
        said = run(python, "-m", "pestle", "--version", env=cut_off).strip()
        if source.release not in said:
            raise SystemExit(f"build_wheels: --version says {said!r}, expected {source.release}")
        print(f"{seconds:5.0f} s  to compile and install {source.archive.name} offline", flush=True)
