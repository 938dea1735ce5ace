"""Text from a pipe or a file on stdin."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import click

from pestle.cli.console import Console, terminal_on_stdin

WAIT = 2.0  # seconds until someone is told that stdin is being waited for


def prompt_from(given: str | None, console: Console, *, raw: bool = False) -> str:
    """The whole prompt: what was `given`, what a pipe on stdin holds, or both.

    Raises UsageError when there is neither, or nothing but blanks and this is not `raw` text.
    """
    if given is not None:
        _require_text(given)
        _require_no_file(given)
    piped = "" if sys.stdin is None or terminal_on_stdin() else read(console)
    parts = [part for part in (given, piped) if part]
    if not parts:
        raise click.UsageError("There is no prompt: give one with -p, or a pipe on stdin.")
    if not raw and not any(part.strip() for part in parts):
        raise click.UsageError("The prompt is blank: a model goes on for ever after nothing.")
    return "\n\n".join(parts)


def read(console: Console) -> str:
    """All of stdin without its last line end. Raises UsageError if it is not UTF-8."""
    # A script may have inherited a stdin that nobody ever closes: silence would look like a hang.
    patience = threading.Timer(WAIT, console.note, ["Reading the prompt from stdin ..."])
    patience.daemon = True
    patience.start()
    try:
        data = sys.stdin.buffer.read()
    finally:
        patience.cancel()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise click.UsageError(f"stdin is not UTF-8 text (byte {error.start})") from error
    return text.removesuffix("\n").removesuffix("\r")


def _require_text(given: str) -> None:
    """Arguments that are not valid text arrive with surrogates in place of the odd bytes."""
    try:
        given.encode()
    except UnicodeEncodeError as error:
        raise click.UsageError("The prompt is not UTF-8 text.") from error


def _require_no_file(given: str) -> None:
    """`@FILE` is how other programs are told to read a file; here it would be the prompt."""
    name = given[1:]
    path_like = "/" in name and not any(character.isspace() for character in name)
    if given.startswith("@") and "\n" not in given and (path_like or is_file(name)):
        raise click.UsageError(
            f"{given} would be the prompt itself; `< {name}` reads the file, and a space before @ "
            "sends the text"
        )


def is_file(name: str) -> bool:
    """Whether there is such a file; no for what no file can be called."""
    try:
        return Path(name).is_file()
    except (OSError, ValueError):
        return False
