"""What of a conversion has reached the disk: how it goes on after it was killed.

A file of lines beside the partial output. The first names the plan: a conversion that would write
anything else begins anew. Every other counts the pieces that are written and synced, and has the
digests of the source files that were read to their end; or says that all is on the disk and only
has to be moved to its place. A line counts once its end is there.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO

from pestle import files
from pestle.tensors.writing import writing

_MOST_BYTES = 256 << 20


@dataclass
class JournalState:
    """Pieces that are done, in their fixed order; sha256 of source files by name.

    whole: once all files are complete, the digest of their headers. Some may have been moved to
    their places then.
    """

    pieces: int = 0
    files: dict[str, str] = field(default_factory=dict)
    whole: str | None = None


class Journal:
    """The journal at `path` of the conversion with the digest `plan`."""

    def __init__(self, path: Path, plan: str) -> None:
        self.path = path
        self._plan = plan
        self._stream: BinaryIO | None = None

    def load(self) -> JournalState | None:
        """How far the same conversion came; None if there was none."""
        try:
            data = files.read_bounded(self.path, _MOST_BYTES)
        except OSError:
            return None
        lines = data.split(b"\n")[:-1]  # the last is empty, or cut off
        state = JournalState()
        for n, line in enumerate(lines):
            entry = _parsed(line)
            if n == 0 and entry.get("plan") != self._plan:
                return None
            if n and isinstance(entry.get("pieces"), int) and isinstance(entry.get("files"), dict):
                state = JournalState(entry["pieces"], entry["files"], entry.get("whole"))
        return state if lines else None

    def begin(self, state: JournalState | None) -> None:
        """Go on behind `state`, or from the beginning."""
        if state is None:
            files.remove(self.path)
        self._stream = files.opened(self.path, buffered=False)
        self._stream.seek(0, os.SEEK_END)
        if state is None:
            self._append({"plan": self._plan})
        else:
            self.record(state)  # behind a line that may have been cut off

    def record(self, state: JournalState) -> None:
        """To be called when all of `state` is on the disk."""
        self._append({"pieces": state.pieces, "files": state.files, "whole": state.whole})

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _append(self, entry: dict[str, Any]) -> None:
        assert self._stream is not None
        separator = b"\n" if self._stream.tell() else b""
        data = memoryview(separator + json.dumps(entry).encode() + b"\n")
        while data:  # what is not buffered may be written in part
            data = data[self._stream.write(data) :]
        files.sync(self._stream)


class Recorder:
    """Notes every `seconds` how far a conversion is, while it goes on: disks take their time.

    `sync()` returns when all bytes are on the disk that had been handed to the system before.
    """

    def __init__(self, journal: Journal, sync: Callable[[], None], seconds: float) -> None:
        self._journal, self._sync, self._seconds = journal, sync, seconds
        self._began = time.monotonic()
        self._thread = ThreadPoolExecutor(1, "pestle-record")
        self._pending: Future[None] | None = None

    def due(self) -> bool:
        """Whether it is time. Raises what went wrong with the last note."""
        if self._pending is not None and self._pending.done():
            self.wait()
        return self._pending is None and time.monotonic() - self._began >= self._seconds

    def note(self, state: JournalState) -> None:
        """To be called when all of `state` has been handed to the system."""
        self.wait()
        now = replace(state, files=dict(state.files))
        self._pending = self._thread.submit(self._record, now)
        self._began = time.monotonic()

    def wait(self) -> None:
        """Return when the last note is on the disk."""
        if self._pending is not None:
            pending, self._pending = self._pending, None
            pending.result()

    def close(self) -> None:
        self._thread.shutdown()

    def _record(self, state: JournalState) -> None:
        self._sync()
        with writing(self._journal.path):
            self._journal.record(state)


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return entry if isinstance(entry, dict) else {}
