"""Opening regular files, and nothing else: nobody may write to a pipe with a file's name."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pestle.files.identity import kind

# Windows has text mode, but neither links that open follows nor pipes among files.
_ALWAYS = (
    getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
)
_PIECE = 1 << 20
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)


def open_regular(path: Path, flags: int, mode: int = 0o666, *, follow: bool = False) -> int:
    """A descriptor of the regular file `path`. Raises OSError, also for anything else than that.

    `follow`: whether `path` may be a link to such a file.
    """
    with _exact_errors(path):
        try:
            status = os.stat(path) if follow else os.lstat(path)
        except FileNotFoundError:
            pass  # to be created, or `open` says so
        else:
            require_regular(path, status)
        descriptor = os.open(path, flags | _ALWAYS | (0 if follow else _NO_LINK), mode)
    try:
        require_regular(path, os.fstat(descriptor))
        if os.name == "posix":
            os.set_blocking(descriptor, True)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def require_regular(path: Path, status: os.stat_result) -> None:
    """Raise OSError unless `status`, that of `path`, is a regular file's."""
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, f"it is {kind(status)}, expected a file", str(path))


@contextmanager
def reading(path: Path) -> Iterator[BinaryIO]:
    """A regular file, or one that a link leads to, to be read. Raises OSError."""
    with os.fdopen(open_regular(path, os.O_RDONLY, follow=True), "rb") as stream:
        yield stream


def read_bounded(path: Path, most: int) -> bytes:
    """All of a regular file of `most` bytes at most.

    Raises OSError, also for a larger one, and for one that is written to meanwhile.
    """
    with reading(path) as stream:
        before = os.fstat(stream.fileno())
        size = before.st_size
        data = bytearray()
        # Piece by piece, for a read of `most` bytes allocates as many, however short the file is.
        while size <= most and len(data) <= most:
            piece = stream.read(min(_PIECE, most + 1 - len(data)))
            if not piece:
                break
            data += piece
        after = os.fstat(stream.fileno())
    if max(size, len(data)) > most:
        found = max(size, len(data))
        raise OSError(errno.EFBIG, f"it has {found} bytes, expected {most} at most", str(path))
    same = (size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    if not same or len(data) != size:
        raise OSError(errno.EBUSY, "it was written to while it was read", str(path))
    return bytes(data)


@contextmanager
def _exact_errors(path: Path) -> Iterator[None]:
    """A name with a NUL cannot be that of a file: the system is never asked, Python says so."""
    try:
        yield
    except ValueError as error:
        raise OSError(errno.EINVAL, str(error), str(path)) from error
