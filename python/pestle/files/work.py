"""Folders of ours that outlive a killed process, so that the next one goes on where it stopped."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pestle.files.identity import Identity, identity_of, names_in, status_at
from pestle.files.locking import Lock, try_lock
from pestle.files.opening import read_bounded
from pestle.files.owned import created, remove
from pestle.files.temporary import (
    LOCK,
    remove_leftovers,
    remove_scratch,
    temporary_name,
)

_MARKER = ".pestle-work"
RESERVED = frozenset({LOCK, _MARKER})
"""Names in such a folder that nothing else may have."""
_TEXT = b"What an unfinished run of Pestle has written. Remove this folder to give it up.\n"
_TRIES = 16


class WorkFolder:
    """The folder `path`, which has a file in it that says whose it is.

    It is made whole, marker and lock included, under a name that proves itself, and goes in the
    same way. What others have put there stays, and the folder with it.
    """

    def __init__(self, path: Path, contents: re.Pattern[str], kept: str) -> None:
        """contents: the names of what is ours in it. kept: the file that makes it worth keeping."""
        self.path = path
        self._contents, self._kept = contents, kept
        self._lock: Lock | None = None

    def is_begun(self) -> bool:
        """Whether an earlier run has left what is worth keeping."""
        return self._is_ours() and (self.path / self._kept).is_file()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Make the folder if need be, for this process alone while the block lasts.

        If the file that makes it worth keeping is not there at the end, it goes. Raises
        BlockingIOError where another process holds it, and OSError, also where the folder is not
        ours.
        """
        remove_leftovers(self.path.parent)
        self._lock = self._acquired()
        try:
            yield
        finally:
            if self._lock is not None:
                # What is not removed now is provably ours for whoever comes next.
                with suppress(OSError):
                    if not os.path.lexists(self.path / self._kept):
                        self.remove()
                if self._lock is not None:
                    self._lock.release()
                    self._lock = None

    def clear(self) -> None:
        """Remove what an earlier run has left. Raises OSError."""
        for name in names_in(self.path):
            if self._contents.fullmatch(name):
                remove(self.path / name)

    def remove(self) -> None:
        """Remove the folder, which is held, and end the hold. Raises OSError."""
        assert self._lock is not None, "whoever removes it holds it"
        if any(n not in RESERVED and not self._contents.fullmatch(n) for n in names_in(self.path)):
            self.clear()
            return
        identity = identity_of(os.lstat(self.path))
        aside = temporary_name(self.path.parent)
        if os.name == "nt":
            self._lock.release()  # what is open cannot be moved there
        os.rename(self.path, aside)
        remove_scratch(aside, identity)
        self._lock.release()
        self._lock = None

    def _acquired(self) -> Lock:
        for _ in range(_TRIES):
            status = status_at(self.path)
            if status is None:
                lock = self._made()
            elif not self._is_ours():
                if status_at(self.path) is None:
                    continue
                raise OSError(
                    errno.EEXIST, "it is there and not Pestle's; move it away", str(self.path)
                )
            else:
                lock = self._locked()
            if lock is not None:
                return lock
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(self.path))

    def _locked(self) -> Lock | None:
        try:
            lock = try_lock(self.path / LOCK)
        except FileNotFoundError:
            return None  # it was removed meanwhile
        if lock is None:
            raise BlockingIOError(errno.EWOULDBLOCK, "another process uses it", str(self.path))
        return lock

    def _made(self) -> Lock | None:
        aside = temporary_name(self.path.parent)
        os.mkdir(aside)
        identity: Identity | None = None
        lock: Lock | None = None
        try:
            identity = identity_of(os.lstat(aside))
            lock = try_lock(aside / LOCK)
            with created(aside / _MARKER) as stream:
                stream.write(_TEXT)
            if lock is None or os.path.lexists(self.path):
                return None
            if os.name == "nt":
                lock.release()
            os.rename(aside, self.path)
        except BaseException:
            if lock is not None:
                lock.release()
            raise
        finally:
            if identity is not None:
                remove_scratch(aside, identity)
        if os.name == "nt":
            return self._locked()
        lock.path = self.path / LOCK
        return lock

    def _is_ours(self) -> bool:
        status = status_at(self.path)
        if status is None or not stat.S_ISDIR(status.st_mode):
            return False
        with suppress(OSError):
            return read_bounded(self.path / _MARKER, len(_TEXT)) == _TEXT
        return False
