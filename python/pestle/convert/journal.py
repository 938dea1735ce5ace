"""What of a conversion has reached the disk: how it goes on after it was killed.

A file of lines beside the partial output. The first names the plan: a conversion that would write
anything else begins anew. Every other counts the pieces that are written and synced, and has the
digests of the source files that were read to their end. A line counts once its end is there.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any


@dataclass
class State:
    """Pieces that are done, in their fixed order; sha256 of source files by name."""

    pieces: int = 0
    files: dict[str, str] = field(default_factory=dict)


class Journal:
    """The journal at `path` of the conversion with the digest `plan`."""

    def __init__(self, path: Path, plan: str) -> None:
        self.path = path
        self._plan = plan
        self._stream: IO[bytes] | None = None

    def load(self) -> State | None:
        """How far the same conversion came; None if there was none."""
        try:
            lines = self.path.read_bytes().split(b"\n")[:-1]  # the last is empty, or cut off
        except OSError:
            return None
        state = State()
        for n, line in enumerate(lines):
            entry = _parsed(line)
            if n == 0 and entry.get("plan") != self._plan:
                return None
            if n and isinstance(entry.get("pieces"), int) and isinstance(entry.get("files"), dict):
                state = State(entry["pieces"], entry["files"])
        return state if lines else None

    def begin(self, state: State | None) -> None:
        """Go on behind `state`, or from the beginning."""
        self.path.unlink(missing_ok=True) if state is None else None
        self._stream = self.path.open("ab", buffering=0)
        if state is None:
            self._append({"plan": self._plan})
        else:
            self.record(state)  # behind a line that may have been cut off

    def record(self, state: State) -> None:
        """To be called when all of `state` is on the disk."""
        self._append({"pieces": state.pieces, "files": state.files})

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _append(self, entry: dict[str, Any]) -> None:
        assert self._stream is not None
        separator = b"\n" if self._stream.tell() else b""
        self._stream.write(separator + json.dumps(entry).encode() + b"\n")
        os.fsync(self._stream.fileno())


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}
