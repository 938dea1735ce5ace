"""Draw docs/pictures/terminal.svg: `pestle` on a real terminal, typed at, with the default model.

    python tools/make_terminal_picture.py [OUT.svg]

Needs pexpect and pyte (of .[dev]) and the default model. What is in the picture is what the
program wrote there; a screen of another size is another picture.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import time
from contextlib import suppress
from itertools import groupby
from pathlib import Path

import pexpect
import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

OUT = Path(__file__).resolve().parent.parent / "docs" / "pictures" / "terminal.svg"
COLUMNS, LINES = 100, 38
READY = ">>> Type a message, or /help"
_PAUSE_S, _SETTLED_S = 0.1, 0.5  # without a further byte, the screen is as it stays
_LONGEST_S = 60.0


class Session:
    """A shell's screen, on which commands are typed."""

    def __init__(self) -> None:
        self.screen = pyte.Screen(COLUMNS, LINES)
        self._bytes = pyte.ByteStream(self.screen)
        state = tempfile.mkdtemp()  # no history of this machine is in the picture
        environment = os.environ | {
            "TERM": "xterm-256color", "PS1": "$ ", "XDG_STATE_HOME": state,
            "PROMPT_TOOLKIT_NO_CPR": "1",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }  # fmt: skip
        self._shell = pexpect.spawn("/bin/sh", [], env=environment, dimensions=(LINES, COLUMNS))
        self._settle("$")

    def type(self, line: str, until: str) -> None:
        """Type a line, and wait until the last one on the screen is `until` and stays."""
        self._shell.send(f"{line}\r")
        self._settle(until)

    def _settle(self, until: str) -> None:
        end, quiet = time.monotonic() + _LONGEST_S, 0.0
        while quiet < _SETTLED_S or self._last().rstrip() != until:
            if time.monotonic() > end:
                raise SystemExit(f"{until!r} never came; the screen has\n{self.screen.display}")
            piece = self._read()
            self._bytes.feed(piece)
            quiet = 0.0 if piece else quiet + _PAUSE_S

    def _last(self) -> str:
        return next((line for line in reversed(self.screen.display) if line.strip()), "")

    def _read(self) -> bytes:
        with suppress(pexpect.TIMEOUT):
            return bytes(self._shell.read_nonblocking(65536, timeout=_PAUSE_S))
        return b""


def styled(screen: pyte.Screen) -> Text:
    """The screen's characters with their styles, without blank lines at the end."""
    text = Text()
    used = [number for number, line in enumerate(screen.display) if line.strip()]
    for number in range(used[-1] + 1):
        row = [screen.buffer[number][column] for column in range(COLUMNS)]
        for style, same in groupby(row, _style):
            text.append("".join(char.data for char in same), style)
        text.append("\n")
    return text


def _style(char: pyte.screens.Char) -> Style:
    colour = None if char.fg == "default" else _COLOURS.get(char.fg, char.fg)
    return Style(color=colour, bold=char.bold, italic=char.italics, dim=char.fg == "brightblack")


_FETCHED_FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""A picture asks no server for anything; the reader's own fixed-width font does."""
_COLOURS = {"brown": "yellow", "brightblack": "bright_black"}
"""What rich calls them."""


def run(arguments: list[str]) -> int:
    """Hold the session and write the picture."""
    session = Session()
    session.type('pestle run "What is the capital of France?"', until="$")
    session.type("pestle chat", until=READY)
    session.type("Explain in two sentences what a budget is.", until=READY)
    session.type("List three tips for a good night's sleep.", until=READY)
    console = Console(record=True, width=COLUMNS, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    console.print(styled(session.screen), end="")
    out = Path(arguments[0]) if arguments else OUT
    out.parent.mkdir(parents=True, exist_ok=True)
    svg = console.export_svg(title="pestle")
    out.write_text(_FETCHED_FONT.sub("", svg), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
