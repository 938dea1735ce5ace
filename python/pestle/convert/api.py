"""`pestle.convert`: one call from a checkpoint to a file."""

from __future__ import annotations

import os
import re
from pathlib import Path

from pestle import models
from pestle.convert.conversion import Conversion, carry_out, shard_paths
from pestle.convert.preparation import Options, prepare
from pestle.errors import Error
from pestle.models.progress import Progress

_SNAPSHOT = re.compile(r"models--([^/]+?)--([^/]+)/snapshots/([0-9a-f]{40})$")


def convert(
    source: str | os.PathLike[str] | None = None,
    output: str | os.PathLike[str] | None = None,
    *,
    hf: str | None = None,
    offline: bool = False,
    to: str = "Q4_K_M",
    name: str | None = None,
    split_size: int = 0,
    overwrite: bool = False,
    threads: int = 0,
    progress: Progress | None = None,
) -> Conversion:
    """Convert a Hugging Face checkpoint to GGUF: the folder `source`, or `hf`, "user/repo".

    output: the file to write; by default the checkpoint's name and the type, in this folder.
    offline: never use the network; `hf` is then what the cache holds.
    to: the type of matrices, as "Q8_0" or "BF16", or a mixture of types, as "Q4_K_M", which gives
    each matrix the type that llama.cpp gives it.
    name: the model's name; by default what config.json says, or none.
    split_size: bytes of data that a file may have before another is begun; 0 for one file.
    overwrite: whether a finished file that is there may be replaced.
    threads: 0 for one per usable core. Never decides a byte.

    The same source and options give the same bytes. A conversion that was interrupted goes on where
    it stopped when it is called again. Raises FormatError, UnsupportedError or TokenizerError for a
    checkpoint that is wrong or not known, Error where the system refuses to read or write, and what
    `pestle.models.checkpoint` raises where it cannot be fetched.
    """
    if (source is None) == (hf is None):
        raise ValueError("give a checkpoint either as a folder or by hf")
    folder = (
        Path(source)
        if source is not None
        else models.checkpoint(str(hf), offline=offline, progress=progress)
    )
    repository = revision = None
    if match := _SNAPSHOT.search(folder.absolute().as_posix()):
        repository, revision = f"{match[1]}/{match[2]}", match[3]
    prepared = prepare(
        folder, Options(to, name, split_size), repository=repository, revision=revision
    )
    path = Path(output) if output is not None else _default(folder, repository, to)
    if not path.parent.is_dir():
        raise Error(f"{path.parent} is no folder, so {path.name} cannot be written there")
    for there in shard_paths(path, prepared.plan.n_shards):
        if there.exists() and not overwrite:
            raise Error(f"{there} is there already; --overwrite (overwrite=True) replaces it")
    return carry_out(prepared, path, threads=threads, progress=progress)


def _default(folder: Path, repository: str | None, to: str) -> Path:
    stem = repository.rpartition("/")[2] if repository else folder.resolve().name
    return Path(f"{stem}-{to}.gguf")
