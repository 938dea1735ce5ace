"""`pestle quantize`: from GGUF to GGUF of other types."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pestle.cli.console import current
from pestle.cli.conversion import TYPE, WritingOptions, report, writing_options
from pestle.cli.options import json_option, verbosity
from pestle.cli.progress import Downloads
from pestle.cli.target import target_options

if TYPE_CHECKING:
    from pestle.conversion import Target


@click.command("quantize", short_help="Quantize a GGUF file.")
@click.argument("source", metavar="IN", type=click.Path())
@click.argument("output", metavar="OUT", type=click.Path(dir_okay=False))
@click.argument("to", metavar="[TYPE]", type=TYPE, required=False)
@target_options
@writing_options
@json_option
@verbosity
def command(
    source: str,
    output: str,
    to: str | None,
    target: Target | None,
    writing: WritingOptions,
    as_json: bool,
) -> None:
    """Quantize the GGUF file IN, or the split model that begins there, and write OUT.

    TYPE is the type of the matrices, or a mixture, as `pestle convert --to` takes it; or give
    --target-size or --target-bpw, which measure as they do in `pestle convert`. Norms and the
    like stay as they are, and so does MXFP4 unless floats are wanted. A matrix that is quantized
    already is refused, unless it has its new type: what was rounded twice is worse than what was
    rounded once. Metadata stays. One pass, in bounded memory. After an interruption the same
    command goes on where it stopped, and makes the same bytes. Until the end everything is in
    OUT.partial.

    The same source and options give the same bytes on every machine. OUT and OUT.manifest.json say
    what they were made from; `pestle verify` checks it. Prints the path of the file.
    """
    from pestle.conversion import quantize

    console = current()
    if (to is None) == (target is None):
        raise click.UsageError("Give TYPE, --target-size or --target-bpw: one of them.")
    wanted = target or to
    assert wanted is not None
    made = quantize(source, output, wanted, **vars(writing), progress=Downloads(console))
    report(made, console, as_json)
