"""Where text goes: answers and results to stdout, notes and errors to stderr.

The only module that writes to either. On a terminal nothing gets there that `harmless` would
change, and on stderr nowhere; a pipe on stdout gets every byte of a result. Nothing is coloured or
animated unless the stream is a terminal, and NO_COLOR is obeyed.
"""

from __future__ import annotations

import base64
import codecs
import contextlib
import io
import json
import os
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

import click

from pestle.cli.harmless import FilteredStream, escaped, harmless, raw, write_raw

if TYPE_CHECKING:
    from rich.console import Console as RichConsole

    from pestle.cli.wrapping import WordWrap


@dataclass
class Console:
    """How talkative a command is, and its ways to say something."""

    verbose: bool = False
    quiet: bool = False

    def out(self, text: str) -> None:
        """Write a result's line to stdout."""
        sys.stdout.write((harmless(text) if sys.stdout.isatty() else text) + "\n")

    def json(self, data: dict[str, Any]) -> None:
        """Write one object to stdout: laid out for a person on a terminal, else as one line."""
        utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
        indent = 2 if sys.stdout.isatty() else None
        text = json.dumps(data, ensure_ascii=not utf8, indent=indent)
        if harmless(text) != text:  # escapes keep what a terminal, or UTF-8, would not
            text = json.dumps(data, indent=indent)
        self.out(text)

    def piece(self, text: str, wrap: WordWrap, style: str = "", hang: str = "") -> None:
        """Write a piece of an answer to stdout at once; readable and harmless on a terminal.

        `style`, the parameters of an SGR sequence, is for streams that may be coloured; `hang` is
        what its further lines begin with.
        """
        stdout = sys.stdout
        if stdout.isatty():
            text = harmless(text)
        if understands_escapes(stdout):
            text = wrap.feed(text, shutil.get_terminal_size().columns, style, hang)
        write_raw(stdout, text)
        stdout.flush()

    def block(self, text: str, over: int = 0) -> None:
        """Write lines, which are harmless but for styles, in place of the last `over` lines."""
        write_raw(sys.stdout, (f"\x1b[{over}A\r\x1b[J" if over else "") + text)
        sys.stdout.flush()

    def end_style(self, wrap: WordWrap) -> None:
        """Leave the style of the last piece."""
        write_raw(sys.stdout, wrap.close())
        sys.stdout.flush()

    def copy(self, text: str) -> None:
        """Put text into the clipboard of the terminal on stdout, also through ssh.

        The terminal says nothing back.
        """
        encoded = base64.b64encode(text.encode(errors="replace")).decode()
        write_raw(sys.stdout, f"\x1b]52;c;{encoded}\a")
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """Say something that is not the result, on stderr; -q silences it."""
        if not self.quiet:
            sys.stdout.flush()
            write_raw(sys.stderr, dim(harmless(text), sys.stderr) + "\n")
            sys.stderr.flush()

    def ask(self, question: str) -> str:
        """Ask the person for a line; nothing at the end of stdin. The question is one line."""
        sys.stdout.flush()
        sys.stderr.write(escaped(question))
        sys.stderr.flush()
        return sys.stdin.readline().rstrip("\r\n") if sys.stdin is not None else ""

    def error(self, message: str) -> None:
        """Print an error as one line on stderr, whatever it contains."""
        self.error_text(f"pestle: error: {escaped(' '.join(message.split()))}")

    def error_text(self, text: str) -> None:
        """Print text about an error on stderr, on as many lines as it has."""
        sys.stderr.write(harmless(text) + "\n")
        sys.stderr.flush()

    def note_replaced(self) -> None:
        """Say that stdout has not got every character, where that is so."""
        for encoding in _replaced:
            self.note(
                f'stdout is {encoding}, so some characters were written as "?"; '
                "PYTHONIOENCODING=utf-8 keeps them."
            )

    def end_line(self) -> None:
        """Leave the line on which the terminal echoed ^C."""
        if sys.stderr.isatty():
            sys.stderr.write("\n")
            sys.stderr.flush()


def guard_streams() -> None:
    """Put guards before stdout and stderr, for whoever writes there without asking `Console`."""
    # Whoever started this may have closed them. No file of ours may then take their numbers; and a
    # result that nobody gets is an error, as in other programs.
    sys.stdout = sys.stdout or _refusing()
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115, PTH123
    codecs.register_error("pestle", _unencodable)
    _replaced.clear()
    for name in ("stdout", "stderr"):
        stream = raw(getattr(sys, name))
        errors = "pestle" if name == "stdout" else "replace"
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors=errors)  # type: ignore[attr-defined]
        setattr(sys, name, FilteredStream(stream, name, always=name == "stderr"))


_held: list[BinaryIO] = []


def _refusing() -> TextIO:
    """A stream that the system lets nobody write to, in the place of one that was closed."""
    held = open(os.devnull, "rb", buffering=0)  # noqa: SIM115, PTH123
    _held.append(held)  # which closes the file when it goes
    unwritable = io.FileIO(held.fileno(), "w", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(unwritable), encoding="utf-8")


_replaced: set[str] = set()
"""The encodings of stdout in which a character had no place."""


def _unencodable(error: UnicodeError) -> tuple[str | bytes, int]:
    """A file's name keeps its bytes; what else stdout cannot hold is a "?", and is told of."""
    with contextlib.suppress(UnicodeError):
        return codecs.lookup_error("surrogateescape")(error)
    if isinstance(error, UnicodeEncodeError):
        _replaced.add(error.encoding)
    return codecs.lookup_error("replace")(error)


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


def understands_escapes(stream: TextIO) -> bool:
    """Whether escape sequences mean something to whoever reads `stream`."""
    if sys.platform == "win32" and "WT_SESSION" not in os.environ:
        return False  # the old console would show them
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def dim(text: str, stream: TextIO) -> str:
    """`text` in the terminal's faint style, or as it is where colours do not belong."""
    return f"\x1b[2m{text}\x1b[0m" if coloured(stream) else text


def rich_console(stream: TextIO) -> RichConsole:
    """A rich console for `stream`, to which harmless text may be given.

    Made when needed: importing rich costs a start 50 ms.
    """
    from rich.console import Console as RichConsole

    return RichConsole(file=raw(stream), highlight=False, no_color=not coloured(stream))
