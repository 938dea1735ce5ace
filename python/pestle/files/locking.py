"""Locks among processes. The system ends those of a process that dies, however it dies.

The file of a lock holds nothing. It is locked with `filelock`'s primitive, which is also what
`huggingface_hub` waits for.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from types import TracebackType

from pestle.files.identity import identity_of, is_at
from pestle.files.opening import open_regular

_POLL_SECONDS = 0.1
_TRIES = 16


class Lock:
    """A lock that is held until it is released.

    made: whether its file was not there before.
    """

    def __init__(self, path: Path, descriptor: int, made: bool) -> None:
        self.path, self.made = path, made
        self._descriptor = descriptor
        self._identity = identity_of(os.fstat(descriptor))

    def __enter__(self) -> Lock:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.release()

    def release(self) -> None:
        """Let the next one have it. The file stays: whoever waits, waits for this very file."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def remove(self) -> None:
        """Remove the file, if it is empty as we leave it, and release the lock. Raises OSError.

        Those who wait for it see that, and makes a new one.
        """
        empty = os.fstat(self._descriptor).st_size == 0
        if os.name == "nt":
            self.release()  # what is open cannot be removed there, and what is in use neither
        try:
            if empty and is_at(self.path, self._identity):
                os.unlink(self.path)
        except PermissionError:
            if os.name != "nt":
                raise
        finally:
            self.release()


def try_lock(path: Path, *, private: bool = False) -> Lock | None:
    """The lock at `path`, in a folder that is there; None where another has it. Raises OSError."""
    for _ in range(_TRIES):
        try:
            descriptor, made = _opened(path, 0o600 if private else 0o666)
        except FileNotFoundError:
            if not path.parent.is_dir():
                raise
            continue  # it went between two looks
        try:
            if not lock_descriptor(descriptor):
                os.close(descriptor)
                return None
            if is_at(path, identity_of(os.fstat(descriptor))):
                return Lock(path, descriptor, made)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # whoever had it has removed it
    return None


def lock_descriptor(descriptor: int) -> bool:
    """Lock an open file, unless another process has done so."""
    from filelock import lock_descriptor as lock  # here: it takes as long as all of `pestle`

    return lock(descriptor, blocking=False)


def wait_for_lock(path: Path, *, private: bool = False) -> Lock:
    """The lock at `path`, as soon as it is free. Raises OSError."""
    while True:
        lock = try_lock(path, private=private)
        if lock is not None:
            return lock
        time.sleep(_POLL_SECONDS)


def _opened(path: Path, mode: int) -> tuple[int, bool]:
    try:
        return open_regular(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode), True
    except FileExistsError:
        return open_regular(path, os.O_RDWR), False
