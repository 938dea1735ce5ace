"""Users' type checkers, run as users run them: on programs outside of this project."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pestle
import pytest

PACKAGE = Path(pestle.__file__).parent


def mypy(*arguments: str | Path, folder: Path) -> list[str]:
    pytest.importorskip("mypy", reason="needs mypy (.[dev])")
    return said(
        *(sys.executable, "-m", "mypy", "--strict", "--config-file=", *arguments), folder=folder
    )


def pyright(*arguments: str | Path, folder: Path) -> list[str]:
    """Strict, about files in `folder`; with the packages that this Python has."""
    pytest.importorskip("pyright", reason="needs pyright (.[dev])")
    settings = {"typeCheckingMode": "strict", "extraPaths": [str(PACKAGE.parent)]}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    return said(
        *(sys.executable, "-m", "pyright", "--pythonpath", sys.executable, *arguments),
        folder=folder,
    )


def said(*command: str | Path, folder: Path) -> list[str]:
    run = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stdout.splitlines()
