"""Where sessions lie, what they are called, and that one process at a time uses one."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from pestle import files
from pestle.errors import ArgumentTypeError, SessionError, shown
from pestle.sessions.pages import PageFiles, size_of

STATE = "session.json"
HEADER = "pestle session"
"""How that file begins."""
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

        Raises SessionError for a name that cannot be one, and ArgumentTypeError.
        """
        if not isinstance(session, (str, os.PathLike)):
            raise ArgumentTypeError(
                f"session is {shown(session)}, expected a name, or a folder as a pathlib.Path"
            )
        if not isinstance(session, str):
            self.path = Path(session)
            if "\0" in str(self.path):
                raise SessionError(f"{str(self.path)!r} cannot be a folder: it holds a NUL")
        elif _NAME.fullmatch(session) and not session.endswith("."):
            self.path = sessions_dir() / session
        else:
            raise SessionError(
                f"{session!r} is not a name for a session: it is made of letters, digits, `-`, `_` "
                "and `.`, 64 at most, the first a letter or digit"
            )
        self.name = self.path.name
        self._held: files.Lock | None = None

    @property
    def exists(self) -> bool:
        """Whether something was saved here."""
        try:
            return (self.path / STATE).is_file()
        except OSError as error:
            raise SessionError(f"cannot use {self.path}: {error.strerror}") from error

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Keep other processes, and other holders in this one, out.

        Raises SessionError when someone else has it, and for a folder that holds something and is
        no session. The system ends the hold of a process that dies. Within, further calls on this
        object are allowed.
        """
        if self._held is not None:
            yield
            return
        with ExitStack() as stack:
            try:
                made = files.make_folders(self.path, private=True)
                stack.callback(files.remove_made, made)  # unless something is in them by then
                self._require_ours()
                lock = files.try_lock(self.path / _LOCK, private=True)
                if lock is None:
                    raise SessionError(
                        f"the session {self.name} is in use by another process ({self.path})"
                    )
                stack.enter_context(lock)
                before = self._state()
            except OSError as error:
                place = error.filename or self.path
                raise SessionError(f"cannot use {place}: {error.strerror}") from error
            self._held = lock
            try:
                yield
            finally:
                self._held = None
                with contextlib.suppress(OSError):
                    after = self._state()
                    if after is None:  # nothing was saved: leave no trace
                        PageFiles(self.path).keep_only(set(), named=set())
                        files.remove_leftovers(self.path)
                    if lock.made and before == after:
                        lock.remove()

    def remove(self, named: set[str]) -> int:
        """Delete what is the session's, held by the caller; the folder too, if nothing is left.

        named: the files of pages that its own file names. Returns the bytes. Raises OSError.
        """
        assert self._held is not None, "whoever removes it holds it"
        size = _size(self.path)
        files.remove(self.path / STATE)  # first: without it the rest is nothing
        PageFiles(self.path).keep_only(set(), named=named)
        files.remove_leftovers(self.path)
        self._held.remove()
        files.remove_if_empty(self.path)
        return size

    def _state(self) -> files.Identity | None:
        """Which file is the session's own. Raises OSError."""
        status = files.status_at(self.path / STATE)
        return None if status is None else files.identity_of(status)

    def require_replaceable(self) -> None:
        """Raise SessionError where the session's own file is somebody else's, and OSError."""
        path = self.path / STATE
        if files.status_at(path) is not None:
            with files.reading(path) as stream:
                begin = stream.read(len(HEADER))
            if begin != HEADER.encode():
                raise SessionError(
                    f"{path} is not Pestle's and is not replaced: it begins with {begin!r}"
                )

    def _require_ours(self) -> None:
        """Raise SessionError for a folder that others have put something into, and OSError."""
        if files.status_at(self.path / STATE) is not None:
            return
        pages = PageFiles(self.path)
        for name in files.names_in(self.path):
            if not (name == _LOCK or files.is_temporary(self.path / name) or pages.is_proven(name)):
                raise SessionError(
                    f"{self.path} is neither a session nor empty: it holds {name}; "
                    "choose a folder of its own"
                )


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
    found = []
    for path in folder.glob(f"*/{STATE}") if folder.is_dir() else ():
        with contextlib.suppress(FileNotFoundError):  # it was removed meanwhile
            if path.is_file():
                modified = path.stat().st_mtime
                found.append(
                    SessionEntry(path.parent.name, path.parent, _size(path.parent), modified)
                )
    return sorted(found, key=lambda entry: -entry.modified)


def _size(folder: Path) -> int:
    """Bytes of its own files; one that goes meanwhile, as in a save, has none."""
    return sum(map(size_of, (folder / STATE, *(folder / n for n in PageFiles(folder).names()))))
