"""`pestle convert`: from a Hugging Face checkpoint to GGUF."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pestle.cli.console import current
from pestle.cli.conversion import TYPE, WritingOptions, report, writing_options
from pestle.cli.options import json_option, verbosity
from pestle.cli.progress import Downloads
from pestle.cli.target import target_options
from pestle.types import MIXTURES

if TYPE_CHECKING:
    from pestle.conversion import Target


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
    default=None,
    metavar="TYPE",
    help=f"The type of the matrices, or a mixture: {', '.join(MIXTURES)}.  [default: Q4_K_M]",
)
@click.option("--name", metavar="TEXT", help="The model's name.  [default: config.json's, or none]")
@click.option(
    "--tokenizer-pre",
    metavar="NAME",
    help="How text is cut into words, as in qwen2, in place of what tokenizer.json says.  "
    "[default: recognized, or refused]",
)
@target_options
@writing_options
@json_option
@verbosity
def command(
    source: str | None,
    hub: str | None,
    offline: bool,
    output: str | None,
    to: str | None,
    name: str | None,
    tokenizer_pre: str | None,
    target: Target | None,
    writing: WritingOptions,
    as_json: bool,
) -> None:
    """Convert a Hugging Face checkpoint to GGUF: a folder, or a repository on the hub.

    Mixtures (Q4_K_M and its like) give each matrix the type that llama.cpp gives it. Reads
    safetensors of F32, F16, BF16, FP8 (blocks of 128 x 128) and MXFP4, which stays as it is
    unless floats are wanted. One pass, in bounded memory. After an interruption the same command
    goes on where it stopped, and makes the same bytes. Until the end everything is in FILE.partial.

    For --target-size and --target-bpw the model is put beside FILE as BF16, and run in memory some
    60 times with some matrices rounded: each takes 2 bytes a weight. What is measured is not kept
    when it is interrupted.

    The same source and options give the same bytes on every machine. FILE and FILE.manifest.json
    say what they were made from; `pestle verify` checks it. Prints the path of the file.
    """
    from pestle.conversion import convert

    console = current()
    if (source is None) == (hub is None):
        raise click.UsageError("Give a checkpoint either as a folder or with -hf.")
    if to is not None and target is not None:
        raise click.UsageError("--to excludes --target-size and --target-bpw.")
    made = convert(
        source,
        output,
        hf=hub,
        offline=offline,
        to=target or to or "Q4_K_M",
        name=name,
        tokenizer_pre=tokenizer_pre,
        **vars(writing),
        progress=Downloads(console),
    )
    report(made, console, as_json)
