"""`pestle imatrix`: which columns of a model's weights the quantizers should be careful with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pestle.cli import completion
from pestle.cli.console import current
from pestle.cli.option_types import COUNT, POSITIVE, whole_number
from pestle.cli.options import json_option, memory_option, threads_option, verbosity
from pestle.cli.outputs import require_no_source
from pestle.cli.progress import Downloads
from pestle.cli.target import text_of

if TYPE_CHECKING:
    from pestle.quantization.importance import Gathering

_SHOWN = 8  # names of tensors, before the rest is only counted


def lines(found: Gathering) -> list[str]:
    """What was gathered, for people."""
    matrix, coverage = found.matrix, found.coverage
    unit = "chunk" if matrix.chunks == 1 else "chunks"
    out = [
        f"{len(matrix.tensors)} tensors from {matrix.chunks} {unit} of {matrix.chunk_size} tokens"
    ]
    out += [
        f"layer {of.layer}: {of.few} of {of.n_experts} experts read fewer than "
        f"{coverage.few_rows} tokens, {of.unseen} none; the median is {of.median_rows:,}"
        for of in coverage.experts
        if of.few
    ]
    if coverage.missing:
        names = ", ".join(coverage.missing[:_SHOWN])
        more = len(coverage.missing) - _SHOWN
        out.append(f"Nothing is known of {names}" + (f" and {more} more" if more > 0 else ""))
    return out


def summary(found: Gathering, path: str) -> dict[str, Any]:
    """What was gathered, for programs."""
    matrix, coverage = found.matrix, found.coverage
    return {
        "version": 1,
        "path": path,
        "sha256": matrix.digest,
        "datasets": list(matrix.datasets),
        "chunks": matrix.chunks,
        "chunk_size": matrix.chunk_size,
        "tensors": len(matrix.tensors),
        "missing": list(coverage.missing),
        "few_rows": coverage.few_rows,
        "experts": [vars(of) for of in coverage.experts],
    }


@click.command("imatrix", short_help="Gather an importance matrix over a text.")
@click.argument("model", metavar="[FILE|NAME]", required=False, shell_complete=completion.models)
@click.option("-hf", "hub", metavar="USER/REPO[:QUANT]", help="A model on the Hugging Face hub.")
@click.option("--offline", is_flag=True, help="Never use the network.")
@click.option(
    "-f",
    "--file",
    "text_file",
    metavar="TEXT",
    type=click.Path(exists=True, dir_okay=False),
    help="A text to read, in UTF-8.  [default: one of Pestle's own]",
)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    default="imatrix.gguf",
    show_default=True,
    type=click.Path(dir_okay=False),
    help="The file to write.",
)
@click.option("--overwrite", is_flag=True, help="Replace a file that is there.")
@click.option(
    "--chunks", metavar="N", type=COUNT, default=0, help="Chunks to read.  [default: all]"
)
@click.option(
    "-c",
    "--ctx-size",
    "chunk_size",
    metavar="N",
    type=whole_number(2),
    default=512,
    show_default=True,
    help="Tokens of a chunk; each is read on its own.",
)
@click.option(
    "--few-rows",
    metavar="N",
    type=POSITIVE,
    default=32,
    show_default=True,
    help="Tell of experts that read fewer tokens.",
)
@memory_option("experts of a mixture that do not fit are read from the file as they are needed.")
@threads_option("Threads; never decides a bit.")
@json_option
@verbosity
def command(
    model: str | None,
    hub: str | None,
    offline: bool,
    text_file: str | None,
    output: str,
    overwrite: bool,
    chunks: int,
    chunk_size: int,
    few_rows: int,
    memory: int | None,
    threads: int,
    as_json: bool,
) -> None:
    """Gather an importance matrix: how large the inputs of each weight's columns are, on average.

    Quantizers that know it (`pestle convert --imatrix`) keep the columns that matter closer to
    what they were. The file has llama.cpp's form, and its quantizer reads it. Use a model of 16 or
    8 bits, and text of the kind that the model is for. Prints the path of the file.
    """
    from pestle.quantization.importance import gather, write_imatrix

    console = current()
    path = Path(output)
    if not path.parent.is_dir():
        raise click.ClickException(
            f"{path.parent} is not a folder, so {path.name} has no place there"
        )
    if path.is_file() and not overwrite:
        raise click.ClickException(f"{path} is there already; --overwrite replaces it")
    if path.is_file():
        require_no_source(path, _sources(model, hub, offline, text_file))
    text, name = None, {}
    if text_file is not None:
        text, name = text_of(text_file), {"name": Path(text_file).name}
    found = gather(
        model,
        text,
        **name,
        hf=hub,
        offline=offline,
        chunks=chunks,
        chunk_size=chunk_size,
        few_rows=few_rows,
        threads=threads,
        memory=memory,
        progress=Downloads(console),
    )
    if found.note is not None:
        console.note(found.note)
    found = replace(found, matrix=write_imatrix(path, found.matrix))
    if as_json:
        console.json(summary(found, output))
        return
    for line in lines(found):
        console.note(line)
    console.out(output)


def _sources(
    model: str | None, hub: str | None, offline: bool, text_file: str | None
) -> Iterator[Path]:
    """The files that are read: all shards of the model, and the text."""
    from pestle._core import GgufFile
    from pestle.models import resolve

    yield from map(Path, GgufFile(resolve(model, hf=hub, offline=offline)).paths)
    if text_file is not None:
        yield Path(text_file)
