"""Where text goes: answers and results to stdout, notes and errors to stderr.

Nothing is coloured or animated unless the stream is a terminal, and NO_COLOR is obeyed.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from rich.console import Console as RichConsole

    from pestle.cli.wrapping import WordWrap

# What a terminal would act on: C0 controls (but for tab and line feed), DEL and C1. A model can
# be made to say an escape sequence; it must not reach the terminal.
_CONTROLS = dict.fromkeys((*range(32), *range(127, 160)), "\N{REPLACEMENT CHARACTER}")
_CONTROLS |= {ord("\t"): "\t", ord("\n"): "\n", ord("\r"): ""}


@dataclass
class Console:
    """How talkative a command is, and its ways to say something."""

    verbose: bool = False
    quiet: bool = False

    def out(self, text: str) -> None:
        """Write a result's line to stdout."""
        sys.stdout.write(text + "\n")

    def json(self, data: dict[str, Any]) -> None:
        """Write one object to stdout: laid out for a person on a terminal, else as one line."""
        utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
        indent = 2 if sys.stdout.isatty() else None
        self.out(json.dumps(data, ensure_ascii=not utf8, indent=indent))

    def piece(self, text: str, wrap: WordWrap, style: str = "") -> None:
        """Write a piece of an answer to stdout at once; readable and harmless on a terminal.

        `style`, the parameters of an SGR sequence, is for streams that may be coloured.
        """
        text = _harmless(text, sys.stdout)
        if understands_escapes(sys.stdout):
            text = wrap.feed(text, shutil.get_terminal_size().columns, style)
        sys.stdout.write(text)
        sys.stdout.flush()

    def end_style(self, wrap: WordWrap) -> None:
        """Leave the style of the last piece."""
        sys.stdout.write(wrap.close())
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """Say something that is not the result, on stderr; -q silences it."""
        if not self.quiet:
            sys.stdout.flush()
            sys.stderr.write(dim(_harmless(text, sys.stderr), sys.stderr) + "\n")
            sys.stderr.flush()

    def ask(self, question: str) -> str:
        """Ask the person for a line; nothing at the end of stdin."""
        sys.stdout.flush()
        sys.stderr.write(_harmless(question, sys.stderr))
        sys.stderr.flush()
        return sys.stdin.readline().rstrip("\r\n")

    def error(self, message: str) -> None:
        """Print an error as one line on stderr, whatever it contains."""
        self.error_text(f"pestle: error: {' '.join(message.split())}")

    def error_text(self, text: str) -> None:
        """Print text about an error on stderr as it is."""
        sys.stderr.write(text + "\n")
        sys.stderr.flush()

    def end_line(self) -> None:
        """Leave the line on which the terminal echoed ^C."""
        if sys.stderr.isatty():
            sys.stderr.write("\n")
            sys.stderr.flush()


def current() -> Console:
    """The console of the command that is running."""
    console = click.get_current_context().find_object(Console)
    assert console is not None, "the root command makes one"
    return console


def terminal_on_stdin() -> bool:
    """Whether a person may be asked something."""
    return sys.stdin is not None and sys.stdin.isatty()


def coloured(stream: TextIO) -> bool:
    """Whether colours may be written to `stream`."""
    return understands_escapes(stream) and not os.environ.get("NO_COLOR")


def _harmless(text: str, stream: TextIO) -> str:
    """`text` without what a terminal would act on; a pipe gets every byte."""
    return text.translate(_CONTROLS) if stream.isatty() else text


def understands_escapes(stream: TextIO) -> bool:
    """Whether escape sequences mean something to whoever reads `stream`."""
    if sys.platform == "win32" and "WT_SESSION" not in os.environ:
        return False  # the old console would show them
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def dim(text: str, stream: TextIO) -> str:
    """`text` in the terminal's faint style, or as it is where colours do not belong."""
    return f"\x1b[2m{text}\x1b[0m" if coloured(stream) else text


def rich_console(stream: TextIO) -> RichConsole:
    """A rich console for `stream`, made when needed: importing rich costs a start 50 ms."""
    from rich.console import Console as RichConsole

    return RichConsole(file=stream, highlight=False, no_color=not coloured(stream))
