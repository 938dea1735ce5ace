"""`pestle convert`: from a Hugging Face checkpoint to GGUF."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from pestle.cli import units
from pestle.cli.console import current
from pestle.cli.options import COUNT, json_option, verbosity
from pestle.cli.progress import Downloads

if TYPE_CHECKING:
    from pestle.convert import Conversion

# pestle.blocks.MIXTURES, which would cost every command's start the import of numpy.
TYPES = (
    "F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q2_K_S", "Q3_K_S",
    "Q3_K_M", "Q3_K_L", "Q4_K_S", "Q4_K_M", "Q5_K_S", "Q5_K_M", "Q6_K", "IQ4_NL", "IQ4_XS",
    "MXFP4_MOE",
)  # fmt: skip


class Size(click.ParamType):  # type: ignore[type-arg]  # generic in new versions only
    """Bytes, as in 500M or 4G; decimal."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = re.fullmatch(r"(\d+)([MG])", str(value).upper())
        if match is None or match[1].strip("0") == "":
            self.fail(f"'{value}' is no size, as in 500M or 4G", param, ctx)
        return int(match[1]) * {"M": 10**6, "G": 10**9}[match[2]]


def lines(made: Conversion) -> list[str]:
    """What was made, for people."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(made.types.items()))
    sizes = f"{units.size(made.bytes_read)} became {units.size(made.bytes_written)}"
    found = [f"{sizes} in {made.seconds:.1f} s: {kinds}"]
    if made.resumed:
        found.append("An interrupted conversion was taken up.")
    if made.refusal:
        found.append(f"Pestle itself does not run this file: {made.refusal}")
    return found


def summary(made: Conversion) -> dict[str, Any]:
    """What was made, for programs."""
    return {
        "version": 1,
        "paths": [str(path) for path in made.paths],
        "manifest": str(made.manifest_path),
        "bytes_read": made.bytes_read,
        "bytes_written": made.bytes_written,
        "types": made.types,
        "resumed": made.resumed,
        "seconds": made.seconds,
        "refusal": made.refusal,
    }


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
    type=click.Choice(TYPES, case_sensitive=False),
    default="Q4_K_M",
    metavar="TYPE",
    help=f"The type of the matrices, or a mixture: {', '.join(TYPES)}.  [default: Q4_K_M]",
)
@click.option("--name", metavar="TEXT", help="The model's name.  [default: config.json's, or none]")
@click.option(
    "--split-size",
    metavar="SIZE",
    type=Size(),
    default=None,
    help="Begin another file after so much data, as in 4G.  [default: one file]",
)
@click.option("--overwrite", is_flag=True, help="Replace a finished file that is there.")
@click.option(
    "-t",
    "--threads",
    metavar="N",
    type=COUNT,
    default=0,
    help="Threads that encode; never decides a byte.  [default: chosen for this CPU]",
)
@json_option
@verbosity
def command(
    source: str | None,
    hub: str | None,
    offline: bool,
    output: str | None,
    to: str,
    name: str | None,
    split_size: int | None,
    overwrite: bool,
    threads: int,
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
        split_size=split_size or 0,
        overwrite=overwrite,
        threads=threads,
        progress=Downloads(console),
    )
    if as_json:
        console.json(summary(made))
        return
    for line in lines(made):
        console.note(line)
    console.out(str(made.paths[0]))
