"""`pestle verify`: whether a converted file is what its manifest says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pestle.cli.console import current
from pestle.cli.options import json_option, threads_option, verbosity
from pestle.cli.progress import Downloads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pestle.conversion import Verification

_SHOWN = 3


def problems(found: Verification) -> list[str]:
    """What differs, each as a part of a sentence."""
    parts = []
    if not found.headers_match:
        parts.append("the metadata has another sha256")
    if found.damaged:
        parts.append(f"{_some(found.damaged, found.n_tensors)} have another sha256")
    if found.padded_wrongly:
        parts.append(f"there are not only zeros behind {_some(found.padded_wrongly)}")
    parts += [
        f"{wrong.name} has {wrong.found:,} bytes, expected {wrong.expected:,}"
        for wrong in found.wrong_sizes
    ]
    if found.sidecar:
        parts.append(f"{found.sidecar_path} {', '.join(found.sidecar)}")
    if found.changed_sources:
        parts.append(f"the source differs in {', '.join(found.changed_sources)}")
    if not found.metadata_rederived:
        parts.append("the source gives other metadata")
    if found.not_rederived:
        parts.append(f"the source gives other bytes for {_some(found.not_rederived)}")
    return parts


def _some(names: Sequence[str], of: int | None = None) -> str:
    shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    total = f"{len(names)} of {of}" if of is not None else str(len(names))
    return f"{total} tensors ({shown})"


@click.command("verify", short_help="Check a converted file against its manifest.")
@click.argument("file", metavar="FILE", type=click.Path())
@click.option(
    "--no-sidecar",
    is_flag=True,
    help="Leave FILE.manifest.json out, as for a file that came without it.",
)
@click.option(
    "--rederive",
    metavar="SOURCE",
    type=click.Path(),
    help="Also convert this checkpoint, or quantize this GGUF file, again, in memory, and compare "
    "every tensor.",
)
@click.option(
    "--imatrix",
    metavar="FILE",
    type=click.Path(),
    help="The importance matrix that was used, for --rederive.",
)
@threads_option("Threads that encode.")
@json_option
@verbosity
def command(
    file: str,
    no_sidecar: bool,
    rederive: str | None,
    imatrix: str | None,
    threads: int,
    as_json: bool,
) -> None:
    """Check every byte of FILE, which Pestle converted or quantized, against its manifest.

    Metadata and tensors are hashed, what lies between and behind the tensors must be zeros up to
    the alignment, and FILE.manifest.json must say the same as the manifest in the metadata. All
    shards of a split model are read. The exit code is 3 where anything differs.
    """
    from pestle.conversion import verify
    from pestle.errors import FormatError

    console = current()
    if imatrix and not rederive:
        raise click.UsageError("--imatrix is for --rederive.")
    found = verify(
        file,
        sidecar=not no_sidecar,
        rederive=rederive,
        imatrix=imatrix,
        threads=threads,
        progress=Downloads(console),
    )
    if as_json:
        console.json(found.to_dict())
    if not found.ok:
        intact = "; the file itself is unchanged" if found.sidecar and found.file_ok else ""
        raise FormatError(f"{file}: {'; '.join(problems(found))}{intact}")
    if not as_json:
        how = " and the source gives the same bytes" if rederive else ""
        console.out(f"{file}: {found.n_tensors} tensors and the metadata are unchanged{how}")
