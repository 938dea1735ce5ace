"""What the system says of a file, to see whether it is still the same one."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from pestle._core import GgufFile
from pestle.errors import Error

Stamp = tuple[int, ...]


def file_stamp(path: str | os.PathLike[str]) -> Stamp:
    """(device, inode, size, ns of the last change of the contents, and of the inode).

    Writing to a file, or putting another in its place, changes it. Raises OSError.
    """
    found = Path(path).stat()
    return (*contents_stamp(found), found.st_ctime_ns)


def contents_stamp(found: os.stat_result) -> Stamp:
    """(device, inode, size, ns of the last change of the contents).

    Unlike that of `file_stamp`, another name or other permissions do not change it.
    """
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def contents_of(stamp: Stamp) -> Stamp:
    """The `contents_stamp` in a `file_stamp`."""
    return stamp[:4]


def open_stamped(path: str | os.PathLike[str]) -> tuple[GgufFile, dict[str, Stamp]]:
    """A GGUF file, and the stamps of the very files that are open, by their paths.

    Raises as GgufFile does, and Error while the files are being replaced.
    """
    stamps = _stamps([os.fspath(path)])
    for _ in range(3):
        file = GgufFile(path)
        found = _stamps(file.paths)
        # So they were before and after they were opened. The names of shards are known only then.
        if found == stamps and len(found) == len(file.paths):
            return file, found
        stamps = found
    raise Error(f"{os.fspath(path)} is being replaced: try again when it is whole")


def _stamps(paths: list[str]) -> dict[str, Stamp]:
    """Of those that are there."""
    found = {}
    for path in paths:
        with suppress(OSError):  # opening it says why, or it was removed since
            found[path] = file_stamp(path)
    return found
