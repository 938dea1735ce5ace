"""`pestle pull`: fetch a model."""

from __future__ import annotations

import click

from pestle.cli import before_download, completion
from pestle.cli.console import current
from pestle.cli.options import verbosity
from pestle.cli.progress import Downloads
from pestle.options import EngineOptions


@click.command("pull", short_help="Fetch a model or its newest version.")
@click.argument("name", required=False, shell_complete=completion.models)
@click.option("-hf", "hub", metavar="USER/REPO[:QUANT]", help="A model on the Hugging Face hub.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask whether it runs on this machine.")
@verbosity
def command(name: str | None, hub: str | None, yes: bool) -> None:
    """Fetch a model or its newest version; the default model if none is named.

    NAME: a short name, USER/REPO[:QUANT] on the Hugging Face hub, or its address, as in
    hf.co/USER/REPO. Goes on where an interrupted download stopped. Prints the path of the file.
    What does not run on this machine is fetched after a question, or with --yes: `pestle plan`
    says more.
    """
    from pestle import models
    from pestle.models.resolution import reference_of

    console = current()
    if name is not None and hub is not None:
        raise click.UsageError("Give a model either by name or with -hf.")
    if not yes:
        reference = reference_of(name, hf=hub, any_repository=True)
        before_download.question(
            console, reference, EngineOptions(), "--yes fetches it all the same"
        )
    console.out(str(models.pull(name, hf=hub, progress=Downloads(console))))
