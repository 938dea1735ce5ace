"""Single files of ours: new ones, those that grow over several runs, and removing them."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pestle.files.identity import Identity, identity_of, status_at
from pestle.files.opening import open_regular, require_regular
from pestle.files.temporary import remove_file


@contextmanager
def created(path: Path) -> Iterator[BinaryIO]:
    """A file that is not there yet, to be written and read. Raises OSError."""
    descriptor = open_regular(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    with os.fdopen(descriptor, "w+b") as stream:
        yield stream


def opened(path: Path, *, buffered: bool = True) -> BinaryIO:
    """A file of ours, which is made if it is not there, to be read and written from its beginning.

    One that has a second name is not ours alone, and so an error. Raises OSError.
    """
    descriptor = open_regular(path, os.O_RDWR | os.O_CREAT)
    try:
        if os.fstat(descriptor).st_nlink > 1:
            raise OSError(errno.EMLINK, "it has a second name, so it is not Pestle's", str(path))
        return os.fdopen(descriptor, "r+b", -1 if buffered else 0)
    except BaseException:
        os.close(descriptor)
        raise


def make_private(path: Path) -> None:
    """Make the file `path`, which nobody but its owner can read, unless it is there. OSError."""
    os.close(open_regular(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600, follow=True))


def remove(path: Path) -> int:
    """Remove a regular file that is known to be ours; returns the bytes that it had on the disk.

    What is not there is no error; what is no regular file is. Raises OSError.
    """
    status = status_at(path)
    if status is None:
        return 0
    require_regular(path, status)
    remove_file(path, identity_of(status))
    return status.st_size if status.st_nlink == 1 else 0


def remove_link(path: Path) -> None:
    """Remove a link, never what it leads to. Raises OSError, also for anything else than a link."""
    os.readlink(path)
    os.unlink(path)


def sync(stream: BinaryIO) -> None:
    """Return when the disk has what was handed to the system before. Raises OSError."""
    os.fsync(stream.fileno())


def identity_of_open(stream: BinaryIO) -> Identity:
    return identity_of(os.fstat(stream.fileno()))
