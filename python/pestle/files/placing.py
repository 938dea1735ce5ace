"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pestle.files.identity import identity_of, is_at, kind, status_at
from pestle.files.opening import open_regular, require_regular
from pestle.files.temporary import (
    is_temporary,
    new_temporary,
    remove_file,
    remove_leftovers,
    temporary_name,
)

_MOST_LINKS = 40
_NO_LINKS_HERE = {
    getattr(errno, name)
    for name in ("EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK", "EXDEV")
    if hasattr(errno, name)
}
_TRIES = 20  # on Windows, where a reader or a virus scanner may have the old file open for a moment


@contextmanager
def placed(
    path: Path, *, private: bool = False, new: bool = False, follow: bool = True
) -> Iterator[BinaryIO]:
    """A new file, which takes the place of `path` once all of it is on the disk.

    If the block raises, nothing has happened. Where `path` is a link, what it leads to is replaced;
    a device or pipe (/dev/stdout) gets the bytes when all of them are there. A file keeps the
    permissions of the one that it replaces, and one that may not be written is not replaced.

    private: nobody but its owner can read it. new: nothing may be there. follow=False: for folders
    of our own, where a link, device or pipe in our file's place is an error. Raises OSError.
    """
    target = _followed(path) if follow else path
    status = None if target is None else status_at(target)
    if target is None or (follow and status is not None and _takes_a_stream(status)):
        with _passed_on(path) as stream:
            yield stream
        return
    if status is not None:
        _check_replaceable(target, status, private, new)
    remove_leftovers(target.parent)
    aside = new_temporary(target.parent, 0o600 if private or status else 0o666)
    descriptor = aside.descriptor
    try:
        with os.fdopen(os.dup(descriptor), "w+b") as stream:
            if status is not None and not private:
                _keep_permissions(descriptor, aside.path, status)
            yield stream
            stream.flush()
            os.fsync(descriptor)
        if os.name == "nt":
            os.close(descriptor)  # what is open cannot be moved there
            descriptor = -1
        if not is_at(aside.path, aside.identity):
            raise OSError(errno.ENOENT, "it was removed while it was written", str(aside.path))
        if new:
            _move_to_new(aside.path, target)
        else:
            _replace(aside.path, target)
        sync_folder(target.parent)
    finally:
        try:
            aside.remove()
        finally:
            if descriptor >= 0:
                os.close(descriptor)


def check_place(path: Path) -> None:
    """Raise the OSError that `placed(path)` would, before the work for it is done."""
    target = _followed(path)
    status = None if target is None else status_at(target)
    if target is None or (status is not None and _takes_a_stream(status)):
        return
    if status is not None:
        _check_replaceable(target, status, private=False, new=False)
    remove_leftovers(target.parent)
    aside = new_temporary(target.parent, 0o600)
    try:
        aside.remove()
    finally:
        os.close(aside.descriptor)


def move(source: Path, target: Path, *, new: bool = False) -> None:
    """Put `source`, a finished file of ours, in the place of `target`; synced, so whole or not.

    new: nothing may be there. A `target` that is not a regular file is an error. Both are in one
    file system. Raises OSError.
    """
    status = status_at(target)
    if status is not None:
        require_regular(target, status)
    descriptor = open_regular(source, os.O_RDWR)
    try:
        os.fsync(descriptor)
        identity = identity_of(os.fstat(descriptor))
    finally:
        os.close(descriptor)
    if new:
        _move_to_new(source, target)
        remove_file(source, identity)
    else:
        _replace(source, target)
    sync_folder(target.parent)


def point(link: Path, target: Path) -> None:
    """Have `link` lead to `target`, by a relative path.

    A link that leads into the same folder already is replaced; anything else there is an error.
    Raises OSError.
    """
    within = Path(os.path.normpath(target.parent.absolute()))
    text = os.path.relpath(target, link.parent)
    try:
        os.symlink(text, link)
        return
    except FileExistsError:
        status = os.lstat(link)
        if not stat.S_ISLNK(status.st_mode) or link_target(link).parent != within:
            raise OSError(
                errno.EEXIST, f"it is {_foreign(status)}, expected a link into {within}", str(link)
            ) from None
    remove_leftovers(link.parent)
    aside = temporary_name(link.parent)
    os.symlink(text, aside)
    try:
        _replace(aside, link)
    finally:
        with contextlib.suppress(FileNotFoundError):
            if is_temporary(aside):
                os.unlink(aside)


def link_target(link: Path) -> Path:
    """Where a link leads, one step, as an absolute path without `..`. Raises OSError."""
    return Path(os.path.normpath(link.parent.absolute() / os.readlink(link)))


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, where the system lets one ask for it. OSError."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems
            raise
    finally:
        os.close(descriptor)


def _followed(path: Path) -> Path | None:
    """What a chain of links ends at; None where that is a descriptor of a process (/dev/stdout)."""
    for _ in range(_MOST_LINKS):
        if path.absolute().as_posix().startswith(("/dev/", "/proc/")):
            return None
        status = status_at(path)
        if status is None or not stat.S_ISLNK(status.st_mode):
            return path
        path = path.parent / os.readlink(path)
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))


def _takes_a_stream(status: os.stat_result) -> bool:
    return stat.S_ISFIFO(status.st_mode) or stat.S_ISCHR(status.st_mode)


@contextmanager
def _passed_on(path: Path) -> Iterator[BinaryIO]:
    """A file whose bytes go to the device or pipe `path` once the block is through."""
    with tempfile.TemporaryFile() as stream:
        yield stream
        stream.seek(0)
        # Appended: where stdout is a file, what others have written there stays.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND), "wb") as out:
            shutil.copyfileobj(stream, out)


def _check_replaceable(path: Path, status: os.stat_result, private: bool, new: bool) -> None:
    if new:
        raise OSError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    require_regular(path, status)
    if not private and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))


def _keep_permissions(descriptor: int, aside: Path, status: os.stat_result) -> None:
    if os.name == "posix":
        with contextlib.suppress(PermissionError):  # as its owner, root may; others keep their own
            os.fchown(descriptor, status.st_uid, status.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(status.st_mode) & 0o777)
    else:
        os.chmod(aside, stat.S_IMODE(status.st_mode))


def _replace(source: Path, target: Path) -> None:
    for _ in range(_TRIES - 1 if os.name == "nt" else 0):
        with contextlib.suppress(PermissionError):
            os.replace(source, target)
            return
        time.sleep(0.05)
    os.replace(source, target)


def _move_to_new(source: Path, target: Path) -> None:
    """Move it; FileExistsError where something has come there meanwhile."""
    if os.name == "nt":
        os.rename(source, target)  # which replaces nothing there
        return
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS_HERE:
            raise
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        os.replace(source, target)


def _foreign(status: os.stat_result) -> str:
    if stat.S_ISREG(status.st_mode):
        return "another file"
    return "a link to elsewhere" if stat.S_ISLNK(status.st_mode) else kind(status)
