"""`pestle rm`: delete a model that was downloaded."""

from __future__ import annotations

import click

from pestle.cli import completion, units
from pestle.cli.console import current, terminal_on_stdin
from pestle.cli.options import verbosity


@click.command("rm", short_help="Delete a downloaded model or a saved chat.")
@click.argument("name", shell_complete=completion.removable)
@click.option(
    "--session", "of_session", is_flag=True, help="NAME is a chat that was saved, not a model."
)
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")  # fmt: skip
@verbosity
def command(name: str, of_session: bool, yes: bool) -> None:
    """Delete a downloaded model, by the name that `pestle ls` shows, or a saved chat.

    Asks first. Without a terminal to ask on, -y is needed. Files that were not downloaded by
    Pestle or into the Hugging Face cache are never touched.
    """
    from pestle import models, sessions

    console = current()
    if of_session:
        sessions.require(name)
    if not yes:
        if not terminal_on_stdin():
            raise click.UsageError("There is no terminal to ask on: add -y to delete.")
        if console.ask(f"Delete {name}? [y/N]: ").strip().lower() not in ("y", "yes"):
            console.note("Nothing was deleted.")
            return
    freed = sessions.remove(name) if of_session else models.remove(name)
    console.note(f"Deleted {name}: {units.size(freed)} freed.")
