"""`pestle convert`: from a Hugging Face checkpoint to GGUF."""

from __future__ import annotations

import click

from pestle.cli.console import current
from pestle.cli.conversion import TYPE, TYPES, Encoding, encoding_options, report
from pestle.cli.options import json_option, verbosity
from pestle.cli.progress import Downloads


@click.command("convert", short_help="Convert a Hugging Face checkpoint to GGUF.")
@click.argument("source", metavar="[SOURCE]", required=False, type=click.Path())
@click.option("-hf", "hub", metavar="USER/REPO", help="A checkpoint on the Hugging Face hub.")
@click.option("--offline", is_flag=True, help="Never use the network.")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="The file to write.  [default: the source's name and the type]",
)
@click.option(
    "--to",
    type=TYPE,
    default="Q4_K_M",
    metavar="TYPE",
    help=f"The type of the matrices, or a mixture: {', '.join(TYPES)}.  [default: Q4_K_M]",
)
@click.option("--name", metavar="TEXT", help="The model's name.  [default: config.json's, or none]")
@encoding_options
@json_option
@verbosity
def command(
    source: str | None,
    hub: str | None,
    offline: bool,
    output: str | None,
    to: str,
    name: str | None,
    encoding: Encoding,
    as_json: bool,
) -> None:
    """Convert a Hugging Face checkpoint to GGUF: a folder, or a repository on the hub.

    Mixtures (Q4_K_M and its like) give each matrix the type that llama.cpp gives it. Reads
    safetensors of F32, F16, BF16, FP8 (blocks of 128 x 128) and MXFP4, which stays as it is
    unless floats are wanted. One pass, in bounded memory. After an interruption the same command
    goes on where it stopped, and makes the same bytes. Until the end everything is in FILE.partial.

    The same source and options give the same bytes on every machine. FILE and FILE.manifest.json
    say what they were made from; `pestle verify` checks it. Prints the path of the file.
    """
    from pestle.convert import convert

    console = current()
    if (source is None) == (hub is None):
        raise click.UsageError("Give a checkpoint either as a folder or with -hf.")
    made = convert(
        source,
        output,
        hf=hub,
        offline=offline,
        to=to,
        name=name,
        **vars(encoding),
        progress=Downloads(console),
    )
    report(made, console, as_json)
