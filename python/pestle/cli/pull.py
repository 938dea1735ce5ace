"""`pestle pull`: fetch a model."""

from __future__ import annotations

import click

from pestle.cli.console import current
from pestle.cli.options import verbosity
from pestle.cli.progress import Downloads


@click.command("pull", short_help="Fetch a model or its newest version.")
@click.argument("name", required=False)
@click.option("-hf", "hub", metavar="USER/REPO[:QUANT]", help="A model on the Hugging Face hub.")
@verbosity
def command(name: str | None, hub: str | None) -> None:
    """Fetch a model or its newest version; the default model if none is named.

    NAME: a short name, USER/REPO[:QUANT] on the Hugging Face hub, or its address, as in
    hf.co/USER/REPO. Goes on where an interrupted download stopped. Prints the path of the file.
    """
    from pestle import models

    console = current()
    if name is not None and hub is not None:
        raise click.UsageError("Give a model either by name or with -hf.")
    console.out(str(models.pull(name, hf=hub, progress=Downloads(console))))
