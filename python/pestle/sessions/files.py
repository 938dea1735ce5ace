"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def written_aside(path: Path) -> Iterator[BinaryIO]:
    """A new file, which takes the place of `path` once all of it is on the disk.

    Nobody but its owner can read it. If the block raises, nothing has happened. Raises OSError.
    """
    aside = path.with_name(f"{path.name}.tmp")
    try:
        with open(aside, "wb", opener=_private) as stream:  # Path has no opener
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def sync_names(folder: Path) -> None:
    """Have the names in a folder on the disk too, where the system lets one ask for it."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
