"""The options that say what an answer has to be: a schema, a grammar, an expression, a choice."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from pestle.cli.option_groups import collect

if TYPE_CHECKING:
    from pestle import GenerateOptions

Command = TypeVar("Command", bound=Callable[..., Any])

_STRUCTURE = (
    click.option("--json-schema", metavar="FILE|JSON",
                 help="The answer is JSON of this schema."),
    click.option("--grammar", metavar="FILE|TEXT",
                 help="The answer follows this grammar, in Lark or GBNF."),
    click.option("--regex", metavar="REGEX",
                 help="The answer matches this regular expression, in Rust's syntax; "
                      r"\d, \w, \s and (?i) are ASCII, and Unicode's behind (?u)."),
    click.option("--choice", metavar="A,B,C", multiple=True,
                 help="The answer is one of these; may be repeated, for texts with commas."),
)  # fmt: skip


_SHOWN = 100
"""Characters of a value that an error shows."""


def structure_options(command: Command) -> Command:
    """Add what says what an answer has to be, as `structure: GenerateOptions`."""
    return collect(command, _STRUCTURE, "structure", _structure)


def _structure(values: dict[str, Any]) -> GenerateOptions:
    given = {name: value for name, value in values.items() if value}
    if len(given) > 1:
        flags = " and ".join(f"--{name.replace('_', '-')}" for name in given)
        raise click.UsageError(f"{flags} exclude each other.")
    if "json_schema" in given:
        given["json_schema"] = _content("--json-schema", given["json_schema"], begins="{")
    if "grammar" in given:
        given["grammar"] = _content("--grammar", given["grammar"])
    if "choice" in given:
        given["choice"] = _choices(given["choice"])
    return cast("GenerateOptions", given)


def _content(flag: str, value: str, begins: str | None = None) -> str:
    """What a file holds, or the value itself where it does not name a file."""
    inline = "\n" in value or (
        value.lstrip().startswith(begins) if begins else "::=" in value or "start:" in value
    )
    if inline:
        return value
    shown = repr(value if len(value) <= _SHOWN else f"{value[:_SHOWN]}...")
    neither = f"neither a file nor {'a JSON object' if begins else 'a grammar'}"
    try:
        return Path(value).read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise click.UsageError(f"{flag}: {shown} is {neither}") from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise click.UsageError(f"{flag}: {shown} is {neither}") from error
        raise click.UsageError(f"{flag}: {shown}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise click.UsageError(f"{flag}: {shown} is not UTF-8 text (byte {error.start})") from error
    except ValueError as error:  # a NUL
        raise click.UsageError(f"{flag}: {shown} is {neither}") from error


def _choices(values: tuple[str, ...]) -> list[str]:
    """One option is a list with commas; several are one text each."""
    return values[0].split(",") if len(values) == 1 else [*values]
