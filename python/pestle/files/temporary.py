"""Files and folders that are there for a moment, under names that prove that they are ours.

A name has a random part and a digest of it and of the folder that it was made in. Nobody else makes
such names, and a copy of the folder does not hold ours. Whoever makes one keeps it locked, so what
is not locked belongs to a process that was killed, and goes when the next one comes.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from pestle.files.identity import Identity, identity_of, is_at, status_at
from pestle.files.locking import Lock, lock_descriptor, try_lock
from pestle.files.opening import open_regular

_FORM = re.compile(r"\.pestle-([0-9a-f]{16})-([0-9a-f]{16})\.tmp")
LOCK = ".pestle-lock"
"""Of a folder of ours, in it."""
_TRIES = 16
_SETTLED = 3600.0  # seconds; a folder without a lock may be about to get one


def temporary_name(folder: Path) -> Path:
    """A new name in `folder` that `is_temporary`. Raises OSError."""
    token = secrets.token_hex(8)
    return folder / f".pestle-{token}-{_proof(folder, token)}.tmp"


def is_temporary(path: Path) -> bool:
    """Whether this program has made the name `path` for the folder it is in. Raises OSError."""
    match = _FORM.fullmatch(path.name)
    return match is not None and _proof(path.parent, match[1]) == match[2]


class Temporary(NamedTuple):
    """A file under a name of ours, and a descriptor that keeps it locked."""

    path: Path
    descriptor: int
    identity: Identity

    def remove(self) -> None:
        """Remove it, unless it bears another name by now. Raises OSError."""
        remove_file(self.path, self.identity)


def new_temporary(folder: Path, mode: int) -> Temporary:
    """A new file in `folder`, whose descriptor the caller closes. Raises OSError."""
    for _ in range(_TRIES):
        path = temporary_name(folder)
        descriptor = open_regular(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
        try:
            made = Temporary(path, descriptor, identity_of(os.fstat(descriptor)))
            if _lock(descriptor) and is_at(path, made.identity):
                return made
        except BaseException:
            os.close(descriptor)  # no longer locked, so it goes when the next one comes
            raise
        os.close(descriptor)  # somebody who cleans up was faster than the lock
    raise OSError(errno.EBUSY, "another process removes what is made here", str(folder))


def remove_file(path: Path, identity: Identity) -> None:
    """Remove `path` if it is still that very file. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        if is_at(path, identity):
            os.unlink(path)


@contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """A folder for the block only, with all that is put there. Raises OSError.

    parent: where it is made, by default where the system has such things. Only its owner sees it.
    """
    if parent is None:
        import tempfile  # here: it brings random numbers, and nobody else wants it

        parent = Path(tempfile.gettempdir())
    remove_leftovers(parent)
    path = temporary_name(parent)
    os.mkdir(path, 0o700)
    identity: Identity | None = None
    lock: Lock | None = None
    try:
        identity = identity_of(os.lstat(path))
        lock = try_lock(path / LOCK, private=True)
        if lock is None:
            raise OSError(errno.EBUSY, "another process uses it", str(path))
        yield path
    finally:
        if os.name == "nt" and lock is not None:
            lock.release()  # what is open cannot be removed there
        try:
            if identity is not None:
                remove_scratch(path, identity)
        finally:
            if lock is not None:
                lock.release()


def remove_scratch(path: Path, identity: Identity) -> None:
    """Remove a folder that `is_temporary`, and all in it; links are removed, not followed.

    What the system does not let go stays, to be removed by who comes next.
    """
    if is_temporary(path) and is_at(path, identity):
        shutil.rmtree(path, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes have left in `folder`, as far as that is certain.

    That is what bears a name of ours, is nobody else's, and is locked by nobody.
    """
    try:
        names = [name for name in os.listdir(folder) if _FORM.fullmatch(name)]
    except OSError:
        return  # whoever writes here will say so
    for path in (folder / name for name in names):
        with contextlib.suppress(OSError):
            status = status_at(path)
            if status is None or not is_temporary(path) or not _is_of_this_user(status):
                continue
            if stat.S_ISREG(status.st_mode):
                _remove_left_file(path)
            elif stat.S_ISDIR(status.st_mode):
                _remove_left_folder(path, status)
            elif stat.S_ISLNK(status.st_mode):
                os.unlink(path)


def _remove_left_file(path: Path) -> None:
    descriptor = open_regular(path, os.O_RDWR)
    try:
        if lock_descriptor(descriptor):
            identity = identity_of(os.fstat(descriptor))
            if os.name != "nt":
                remove_file(path, identity)
    finally:
        os.close(descriptor)
    if os.name == "nt":  # what another process has open cannot be removed there
        os.unlink(path)


def _remove_left_folder(path: Path, status: os.stat_result) -> None:
    if status_at(path / LOCK) is None:
        if time.time() - status.st_mtime > _SETTLED:
            remove_scratch(path, identity_of(status))
        return
    lock = try_lock(path / LOCK)
    if lock is not None:
        if os.name == "nt":
            lock.release()
        with lock:
            remove_scratch(path, identity_of(status))


def _lock(descriptor: int) -> bool:
    """Lock it; where the file system has no locks, nobody will ever take it for left over."""
    try:
        return lock_descriptor(descriptor)
    except OSError:
        return True


def _is_of_this_user(status: os.stat_result) -> bool:
    return os.name != "posix" or status.st_uid == os.geteuid()


def _proof(folder: Path, token: str) -> str:
    inode = os.stat(folder).st_ino
    return hashlib.sha256(f"pestle temporary {inode} {token}".encode()).hexdigest()[:16]
