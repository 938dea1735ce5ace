"""Folders in memory, where there are such: cases are files that nobody keeps."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def in_memory() -> tempfile.TemporaryDirectory[str]:
    """A new folder, gone when it is left."""
    shared = Path("/dev/shm")
    where = shared if shared.is_dir() and os.access(shared, os.W_OK) else None
    return tempfile.TemporaryDirectory(prefix="pestle-fuzz-", dir=where)


def emptied(folder: Path) -> None:
    """Remove what a case has left in its own folder."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            emptied(path)
            path.rmdir()
        else:
            path.unlink()
