"""Terminals made of memory, and what must never reach one."""

from __future__ import annotations

import io
import re

# A clipboard, a title, C1's form of a colour, a line above, the order of characters, half a pair.
ATTACK = "\x1b]52;c;aGk=\x07\x1b]0;t\x07\x9b31m\rX\u202ey\u2028\u2066z\x7f"
# What the program itself writes: styles, erasing and moving within its lines, hiding the cursor.
_OWN = re.compile(r"\x1b\[[0-9;]*[mKDAJGCH]|\x1b\[\?(?:25|2004|12|7|1)[lh]|\r\n|\r")
_HOSTILE = re.compile(r"[^\n\t\x20-\x7e\xa0-\U0010ffff]|[\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class Terminal(io.TextIOWrapper):
    """A terminal of some encoding."""

    def __init__(self, encoding: str = "utf-8", *, is_terminal: bool = True) -> None:
        self.bytes = io.BytesIO()
        self._is_terminal = is_terminal
        super().__init__(self.bytes, encoding=encoding, errors="replace", newline="\n")

    def isatty(self) -> bool:
        return self._is_terminal

    def text(self) -> str:
        self.flush()
        return self.bytes.getvalue().decode(self.encoding)


def hostile(shown: str) -> list[str]:
    """What a terminal would act on and the program does not write, each with what is around it."""
    own = _OWN.sub("", shown)
    return [own[max(0, m.start() - 40) : m.end() + 20] for m in _HOSTILE.finditer(own)]
