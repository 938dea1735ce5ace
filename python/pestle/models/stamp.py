"""What the system says of a file, to see whether it is still the same one."""

from __future__ import annotations

import os
from pathlib import Path

Stamp = tuple[int, ...]


def file_stamp(path: str | os.PathLike[str]) -> Stamp:
    """(device, inode, size, ns of the last change of the contents, and of the inode).

    Writing to a file, or putting another in its place, changes it. Raises OSError.
    """
    found = Path(path).stat()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
