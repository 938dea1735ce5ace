"""A conversion, carried out: one pass over the checkpoint, resumable, and whole or not there."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import filelock
import numpy as np

from pestle.convert.journal import Journal, State
from pestle.convert.manifest import Manifest
from pestle.convert.partial import PartialFiles, partial_path, sync_folder, writing
from pestle.convert.pipeline import encode_piece, read_ahead
from pestle.convert.preparation import Prepared, refusal
from pestle.convert.reading import FileRead, read_checkpoint
from pestle.errors import Error
from pestle.models.progress import Progress, task

RECORD_SECONDS = 5.0
"""How often what is done is synced and noted: at most so much is done again after a crash."""


@dataclass(frozen=True)
class Conversion:
    """A finished conversion. Sizes are bytes."""

    paths: tuple[Path, ...]
    """The shards, or the only file."""
    manifest_path: Path
    manifest: Manifest
    bytes_read: int
    bytes_written: int
    types: dict[str, int]
    """Tensors of each type."""
    resumed: bool
    """Whether an interrupted conversion was taken up."""
    seconds: float
    refusal: str | None
    """Why Pestle itself does not run the file; None if it does."""


def shard_paths(path: Path, n_shards: int) -> list[Path]:
    """`path`, or the names that GGUF gives to its shards."""
    if n_shards == 1:
        return [path]
    return [
        path.with_name(f"{path.stem}-{n:05}-of-{n_shards:05}{path.suffix}")
        for n in range(1, n_shards + 1)
    ]


def manifest_path(path: Path) -> Path:
    return path.with_name(path.name + ".manifest.json")


def carry_out(
    prepared: Prepared,
    path: Path,
    *,
    threads: int = 0,
    progress: Progress | None = None,
    record_seconds: float = RECORD_SECONDS,
) -> Conversion:
    """Write the file `path`, or its shards, and the manifest beside it.

    Nothing stands at `path` before all of it is on the disk; until then it grows in
    `path.partial`, from which the same conversion goes on after it was killed. Raises Error where
    the disk is full or the system refuses, FormatError where the checkpoint has changed or holds
    values that no type can.
    """
    began = time.monotonic()
    paths = shard_paths(path, prepared.plan.n_shards)
    headers = prepared.headers(prepared.manifest)
    sizes = prepared.sizes(headers)
    files = PartialFiles(paths, [len(header) for header in headers])
    journal = Journal(partial_path(path).with_name(path.name + ".partial.journal"),
                      _plan_digest(prepared, headers))  # fmt: skip
    with _exclusive(path):
        found = journal.load() if all(partial_path(p).exists() for p in paths) else None
        if found is None:
            _require_space(path.parent, sum(sizes))
        not_run = refusal(prepared, path.with_name(path.name + ".partial.check"))
        try:
            files.open(sizes, anew=found is None)
            with writing(journal.path):
                journal.begin(found)
            state = _write_tensors(
                prepared, files, journal, found, threads, progress, record_seconds
            )
            manifest = _finish(prepared, files, state, headers, progress)
            _write_manifest(prepared, manifest, path, paths)
            files.publish()
        finally:
            files.close()
            journal.close()
        journal.path.unlink(missing_ok=True)
    types: dict[str, int] = {}
    for output in prepared.plan.outputs:
        types[output.type] = types.get(output.type, 0) + 1
    return Conversion(
        tuple(paths),
        manifest_path(path),
        manifest,
        prepared.checkpoint.nbytes,
        sum(sizes),
        types,
        found is not None,
        time.monotonic() - began,
        not_run,
    )


def _require_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder)[2]
    if free < needed:
        raise Error(f"not enough space in {folder}: {needed:,} bytes are needed, {free:,} are free")


def _write_tensors(
    prepared: Prepared,
    files: PartialFiles,
    journal: Journal,
    state: State | None,
    threads: int,
    progress: Progress | None,
    record_seconds: float,
) -> State:
    """Write every tensor; returns the state with all source files' digests."""
    state = state or State()
    plan, config = prepared.plan, prepared.checkpoint.config
    for output in plan.outputs:
        if output.name in plan.constants:
            files.write(output, 0, np.frombuffer(plan.constants[output.name], np.uint8))
    recorded = time.monotonic()
    with task(progress, "Converting", prepared.checkpoint.nbytes) as advance:
        pieces = read_checkpoint(
            prepared.checkpoint, plan.jobs, skip=state.pieces, known=state.files, advance=advance
        )
        with read_ahead(pieces) as items:
            for item in items:
                if isinstance(item, FileRead):
                    state.files[item.name] = item.sha256
                    continue
                for written in encode_piece(item, config, threads):
                    files.write(*written)
                state.pieces += 1
                if time.monotonic() - recorded >= record_seconds:
                    files.sync()
                    with writing(journal.path):
                        journal.record(state)
                    recorded = time.monotonic()
    files.sync()
    with writing(journal.path):
        journal.record(state)
    return state


def _finish(
    prepared: Prepared,
    files: PartialFiles,
    state: State,
    headers: list[bytes],
    progress: Progress | None,
) -> Manifest:
    """Hash the tensors as they lie on the disk and write the headers."""
    outputs = prepared.plan.outputs
    with (
        task(progress, "Hashing", sum(output.nbytes for output in outputs)) as advance,
        ThreadPoolExecutor(thread_name_prefix="pestle-hash") as pool,
    ):
        digests = []
        for output, digest in zip(outputs, pool.map(files.sha256, outputs), strict=True):
            digests.append(digest)
            advance(output.nbytes)
    manifest = prepared.sealed(
        replace(
            prepared.manifest,
            files={**prepared.manifest.files, **state.files},
            tensors=tuple(digests),
        )
    )
    final = prepared.headers(manifest)
    for shard, (header, first) in enumerate(zip(final, headers, strict=True)):
        assert len(header) == len(first), "every digest has the same length"
        files.write_header(shard, header)
    return manifest


def _write_manifest(prepared: Prepared, manifest: Manifest, path: Path, paths: list[Path]) -> None:
    data = manifest.to_json([p.name for p in paths], prepared.plan.outputs)
    target = manifest_path(path)
    aside = partial_path(target)
    with writing(target):
        aside.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        aside.replace(target)
    sync_folder(path.parent)


def _plan_digest(prepared: Prepared, headers: list[bytes]) -> str:
    """Of all that decides the bytes, as far as it is known without reading the weights."""
    digest = hashlib.sha256(b"".join(headers))
    for file in prepared.checkpoint.files:
        stat = file.path.stat()
        digest.update(f"{file.path.name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Error while another process converts to `path`."""
    lock = filelock.FileLock(path.with_name(path.name + ".partial.lock"))
    with writing(path):
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout as error:
            raise Error(f"another process is writing {path}") from error
    try:
        yield
    finally:
        # While it is held, as nobody waits for it. On Windows filelock does it behind the release.
        with suppress(PermissionError):
            Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()
