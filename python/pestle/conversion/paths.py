"""Paths as callers give them."""

from __future__ import annotations

import os
from pathlib import Path

from pestle.errors import ArgumentError

StrPath = str | os.PathLike[str]


def checked_path(name: str, path: StrPath) -> Path:
    """Raise ArgumentError for an empty path, which `Path` takes for this folder."""
    if not os.fspath(path):
        raise ArgumentError(f"{name} is '', expected a path")
    return Path(path)
