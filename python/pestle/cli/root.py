"""The command `pestle`: its subcommands, and the one way out of all of them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from pestle.cli import exits, habits
from pestle.cli.console import Console, current, guard_streams
from pestle.cli.options import verbosity

# The commands in the order in which they are likely to be needed, and the modules that have them.
# One is imported when it is wanted: all together take longer than the whole of `pestle --version`.
_MODULES = {
    "chat": "chat",
    "run": "run",
    "ui": "ui",
    "serve": "serve",
    "info": "info",
    "plan": "plan",
    "pull": "pull",
    "ls": "ls",
    "rm": "rm",
    "ps": "ps",
    "convert": "convert",
    "quantize": "quantize",
    "imatrix": "imatrix",
    "verify": "verify",
    "eval": "evaluate",
    "bench": "bench",
    "doctor": "doctor",
}


class Root(click.Group):
    """A group whose failures all become one line on stderr and a documented exit code."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = False,
        **extra: Any,
    ) -> NoReturn:
        """Run a command line and exit.

        Click's own `main` prints usage errors on several lines and gives a closed pipe the exit
        code 1, hence this one. On Windows, a `*` in a prompt is not a list of files.
        """
        self._main_shell_completion(extra, "pestle", complete_var)
        console = Console()
        guard_streams()
        try:
            arguments = list(sys.argv[1:] if args is None else args)
            with self.make_context("pestle", arguments, obj=console, **extra) as ctx:
                self.invoke(ctx)
            sys.stdout.flush()
            console.note_replaced()
            code = 0
        except click.exceptions.Exit as done:
            code = done.exit_code
        except (Exception, KeyboardInterrupt) as error:
            with contextlib.suppress(OSError):  # the terminal is gone
                code = exits.ERROR
                code = exits.report(error, console)
        finally:
            exits.settle_stdout()
        sys.exit(code)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they are likely to be needed, not by the alphabet."""
        return list(_MODULES)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is asked for; UsageError says what is meant where there is none."""
        if args[0] == "help":
            args = [*args[1:2], "--help"] if args[1:] else ["--help"]
            if len(args) == 1:
                current().out(ctx.get_help())
                ctx.exit()
        if args[0] == "version":
            _print_version(ctx, ctx.command.params[0], True)
        if self.get_command(ctx, args[0]) is None:
            raise habits.unknown_command(args[0], args[1:], self.list_commands(ctx))
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name, or of what another program calls it, imported now."""
        cmd_name = habits.SYNONYMS.get(cmd_name, cmd_name)
        if cmd_name in _MODULES and cmd_name not in self.commands:
            module = import_module(f"pestle.cli.{_MODULES[cmd_name]}")
            self.add_command(module.command, cmd_name)
        return super().get_command(ctx, cmd_name)


def _print_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        from pestle import __version__

        current().out(f"pestle {__version__}")
        ctx.exit()


@click.group(
    cls=Root,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("-V", "--version", is_flag=True, is_eager=True, expose_value=False,
              callback=_print_version, help="Show the version and exit.")  # fmt: skip
@verbosity
@click.pass_context
def main(ctx: click.Context) -> None:
    """Run open-weight language models on this computer's CPU.

    \b
    pestle chat                        talk to the default model, or to another: pestle chat NAME
    pestle run "Why is the sky blue?"  one question, one answer
    pestle ui                          chat in the browser
    pestle serve                       answer programs that speak OpenAI's API
    pestle ls --all                    models you can get, and what fits this machine
    """
    if ctx.invoked_subcommand is None:
        from pestle.cli import welcome

        for line in [*welcome.lines(), "", *ctx.get_help().splitlines()]:
            current().out(line)
