"""Where sessions lie, what they are called, and that one process at a time uses one."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import filelock
import platformdirs

from pestle.errors import SessionError

STATE = "session.json"
_LOCK = "lock"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def sessions_dir() -> Path:
    """The folder of all sessions: `sessions` in PESTLE_DATA, else in the user's data folder."""
    chosen = os.environ.get("PESTLE_DATA")
    root = Path(chosen).expanduser() if chosen else platformdirs.user_data_path("pestle")
    return root / "sessions"


class SessionFolder:
    """One session: a folder, whether it is there yet or not."""

    def __init__(self, session: str | os.PathLike[str]) -> None:
        """`session`: a name, or the folder itself as a path object.

        Raises SessionError for a name that cannot be one.
        """
        if not isinstance(session, str):
            self.path = Path(session)
        elif _NAME.fullmatch(session) and not session.endswith("."):
            self.path = sessions_dir() / session
        else:
            raise SessionError(
                f"{session!r} is no name of a session: letters, digits, `-`, `_` and `.` are, "
                "64 at most, the first a letter or digit"
            )
        self.name = self.path.name
        self._held = False

    @property
    def exists(self) -> bool:
        """Whether something was saved here."""
        return (self.path / STATE).is_file()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep other processes, and other holders in this one, out.

        Raises SessionError when someone else has it. The system ends the hold of a process that
        dies. Within, further calls on this object are allowed.
        """
        if self._held:
            yield
            return
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = filelock.FileLock(self.path / _LOCK, mode=0o600)
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise SessionError(
                f"the session {self.name} is in use by another process ({self.path})"
            ) from None
        except OSError as error:
            raise SessionError(f"cannot use {self.path}: {error.strerror}") from error
        self._held = True
        try:
            yield
        finally:
            self._held = False
            lock.release()
            if not self.exists:  # nothing was saved: leave no trace
                shutil.rmtree(self.path, ignore_errors=True)


@dataclass(frozen=True)
class SessionEntry:
    """A saved session, as a list shows it."""

    name: str
    path: Path
    size: int  # bytes on the disk
    modified: float  # seconds since 1970


def saved_sessions() -> list[SessionEntry]:
    """Those in the sessions' folder, the last saved first."""
    folder = sessions_dir()
    found = [
        SessionEntry(
            path.parent.name,
            path.parent,
            _size(path.parent),
            path.stat().st_mtime,
        )
        for path in (folder.glob(f"*/{STATE}") if folder.is_dir() else ())
    ]
    return sorted(found, key=lambda entry: -entry.modified)


def remove(name: str) -> int:
    """Delete a session; return its size in bytes. Raises SessionError."""
    folder = SessionFolder(name)
    if not folder.exists:
        raise SessionError(f"there is no session {name}: `pestle ls --sessions` lists them")
    with folder.hold():
        size = _size(folder.path)
        (folder.path / STATE).unlink()  # first: without it the rest is nothing
    return size


def _size(folder: Path) -> int:
    """Bytes of its files; one that goes meanwhile, as in a save, has none."""
    size = 0
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            size += path.stat().st_size
    return size
