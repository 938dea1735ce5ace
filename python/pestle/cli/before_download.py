"""A download that could not run here is questioned before it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pestle.cli import exits
from pestle.cli.console import Console, terminal_on_stdin

if TYPE_CHECKING:
    from pestle.models.hub import HubReference
    from pestle.options import EngineOptions


def question(
    console: Console, reference: HubReference | None, options: EngineOptions, cure: str
) -> None:
    """Ask whether to fetch a model that does not run here; nothing happens for all others.

    Without a terminal to ask on it is an error, MemoryLimitError or UnsupportedError, in which
    `cure` says what fetches it all the same.
    """
    from pestle.models.hub import find_cached

    if reference is None or find_cached(reference) is not None:
        return
    from pestle.errors import MemoryLimitError, UnsupportedError
    from pestle.planning.downloading import in_vain

    plan = in_vain(reference, options)
    if plan is None:
        return
    obstacle = plan.obstacle()
    if not terminal_on_stdin():
        kind = MemoryLimitError if plan.refusal is None else UnsupportedError
        raise kind(f"{obstacle}; {cure}")
    answer = console.ask(f"{obstacle}. Fetch it all the same? [y/N]: ")
    if answer.strip().lower() not in ("y", "yes"):
        console.note("Nothing was fetched.")
        raise click.exceptions.Exit(exits.DOES_NOT_FIT if plan.refusal is None else exits.BAD_FILE)
