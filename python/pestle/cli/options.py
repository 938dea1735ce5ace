"""Single options that several commands share, each defined once.

option_groups     several of them as one object
option_types      what their values may be
model_options     which model, and how it is loaded
sampling_options  how tokens are chosen
"""

from __future__ import annotations

from collections.abc import Callable

import click

from pestle.cli.console import current
from pestle.cli.option_groups import Command, apply
from pestle.cli.option_types import COUNT, MemorySize
from pestle.options.values import UNKNOWN_CHARACTERS


def verbosity(command: Command) -> Command:
    """Add -v and -q, which also work before the command's name."""

    def remember(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        console = current()
        if value:
            setattr(console, str(param.name), True)
        if console.verbose and console.quiet:
            raise click.UsageError("-v and -q exclude each other.", ctx)

    options = (
        click.option("-v", "--verbose", is_flag=True, expose_value=False, callback=remember,
                     help="More on stderr: statistics, tracebacks."),
        click.option("-q", "--quiet", is_flag=True, expose_value=False, callback=remember,
                     help="Only errors on stderr."),
    )  # fmt: skip
    return apply(command, options)


def system_option(command: Command) -> Command:
    """Add -sys, as `system: str | None`."""
    help_text = "The system message: how the model should behave."
    return click.option("-sys", "--system", metavar="TEXT", help=help_text)(command)


def unknown_characters_option(command: Command) -> Command:
    """Add --unknown-characters, as `unknown_characters: str`, which goes into ModelOptions."""
    return click.option(
        "--unknown-characters",
        type=click.Choice(UNKNOWN_CHARACTERS),
        default=UNKNOWN_CHARACTERS[0],
        help="What to do with characters of a prompt that the model's vocabulary lacks: fail, or "
        "replace them and say with what.  [default: error]",
    )(command)


def threads_option(what: str) -> Callable[[Command], Command]:
    """Add -t of commands that run no chat, as `threads: int`; 0 leaves the choice to Pestle."""
    help_text = f"{what}  [default: chosen for this CPU]"
    return click.option("-t", "--threads", metavar="N", type=COUNT, default=0, help=help_text)


def memory_option(what: str) -> Callable[[Command], Command]:
    """Add --memory of commands that run no chat, as `memory: int | None`."""
    help_text = f"What the whole process may take, as in 12GB or 800MiB: {what}"
    return click.option(
        "--memory", metavar="SIZE", type=MemorySize(), help=f"{help_text}  [default: what is free]"
    )


def json_option(command: Command) -> Command:
    """Add --json, as `as_json: bool`."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(command)
