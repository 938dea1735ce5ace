"""A JSON object or list that comes in pieces: where it ends, and its strict spelling."""

from __future__ import annotations

import json
import re

_MARK = re.compile(r'\\.?|["{}\[\]\x00-\x1f]', re.DOTALL)


class JsonText:
    """Reads one JSON value, without checking it: whatever has no end goes on."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = self._escaped = False

    @property
    def in_string(self) -> bool:
        """Whether what was fed ends within a string."""
        return self._in_string

    def feed(self, piece: str) -> tuple[str, int | None]:
        """The next piece as strict JSON has it, up to the value's end; where in it that is.

        None: it goes on. Models write control characters into strings, line ends most often, as
        they are; strict JSON has them escaped.
        """
        written, at = [], 0
        begin = 1 if self._escaped and piece else 0
        self._escaped = self._escaped and not piece
        for match in _MARK.finditer(piece, begin):
            mark = match[0]
            if mark[0] == "\\":
                self._escaped = len(mark) == 1
            elif mark == '"':
                self._in_string = not self._in_string
            elif mark < " ":
                if self._in_string:
                    written += [piece[at : match.start()], json.dumps(mark)[1:-1]]
                    at = match.end()
            elif not self._in_string:
                self._depth += 1 if mark in "{[" else -1
                if self._depth <= 0:
                    return "".join((*written, piece[at : match.end()])), match.end()
        return "".join((*written, piece[at:])), None
