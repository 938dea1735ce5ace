"""A conversion, carried out: one pass over the source, resumable, and whole or not there."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import filelock

from pestle._core import GgufFile
from pestle.convert.journal import Journal, Recorder, State
from pestle.convert.manifest import Manifest, headers_match, read_manifest
from pestle.convert.options import type_rule
from pestle.convert.partial import PartialFiles, partial_path, publish, writing
from pestle.convert.passes import finish, write_tensors
from pestle.convert.prepared import Prepared, refusal
from pestle.convert.source import total_bytes
from pestle.convert.types import too_narrow
from pestle.errors import Error, UnsupportedError
from pestle.measure import Certificate
from pestle.measure.certificate import KEY as CERTIFICATE
from pestle.models.progress import Progress
from pestle.untrusted_json import parse_object

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
    requantized: dict[str, int] = field(default_factory=dict)
    """Tensors that were quantized before and are now of another type, by what they were."""
    without_importance: tuple[str, ...] = ()
    """Quantized tensors of which a given importance matrix knows nothing."""
    too_narrow: tuple[str, ...] = ()
    """Matrices of larger types than their mixture's: their rows are not whole blocks of those."""

    @property
    def certificate(self) -> Certificate | None:
        """What the file has lost of its source, where that was asked for."""
        text = self.manifest.certificate
        if text is None:
            return None
        return Certificate.from_json(parse_object(text, f"key `{CERTIFICATE}`"))


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


def _journal_path(path: Path) -> Path:
    return path.with_name(path.name + ".partial.journal")


def carry_out(
    prepared: Prepared,
    path: Path,
    *,
    overwrite: bool = False,
    threads: int = 0,
    progress: Progress | None = None,
    record_seconds: float = RECORD_SECONDS,
) -> Conversion:
    """Write the file `path`, or its shards, and the manifest beside it.

    Nothing stands at `path` before all of it is on the disk; until then it grows in
    `path.partial`, from which the same conversion goes on after it was killed. Raises Error where
    the disk is full, the system refuses or a file is there that may not be replaced,
    FormatError where the source has changed or holds values that no type can, UnsupportedError
    where a model shall be certified that Pestle does not run.
    """
    began = time.monotonic()
    paths = shard_paths(path, prepared.plan.n_shards)
    headers = prepared.headers(prepared.manifest)
    sizes = prepared.sizes(headers)
    journal = Journal(_journal_path(path), _plan_digest(prepared, headers))
    with _exclusive(path):
        found = journal.load()
        if found is not None and not _can_go_on(found, paths, headers):
            found = None
        if found is None or found.whole is None:
            _require_free(paths, overwrite)
        if found is None:
            _require_space(path.parent, sum(sizes))
        not_run = refusal(prepared, path.with_name(path.name + ".partial.check"))
        if not_run is not None and prepared.manifest.certificate is not None:
            raise UnsupportedError(f"{path.name} cannot be certified: {not_run}")
        if found is None or found.whole is None:
            files = PartialFiles(paths, [len(header) for header in headers])
            try:
                files.open(sizes, anew=found is None)
                with writing(journal.path):
                    journal.begin(found)
                recorder = Recorder(journal, files.sync, record_seconds)
                try:
                    state = write_tensors(prepared, files, recorder, found, threads, progress)
                    manifest = finish(prepared, files, state, threads, progress)
                    _write_manifest(prepared, manifest, manifest_path(path), paths)
                    recorder.note(replace(state, whole=manifest.headers))
                    recorder.wait()
                finally:
                    recorder.close()
            finally:
                files.close()
                journal.close()
        publish(paths, manifest_path(path))
        journal.path.unlink(missing_ok=True)
    types: dict[str, int] = {}
    for output in prepared.plan.outputs:
        types[output.type] = types.get(output.type, 0) + 1
    return Conversion(
        tuple(paths),
        manifest_path(path),
        read_manifest(GgufFile(paths[0])),
        total_bytes(prepared.source),
        sum(sizes),
        types,
        found is not None,
        time.monotonic() - began,
        not_run,
        prepared.plan.requantized(),
        prepared.weighting.missing if prepared.weighting is not None else (),
        _too_narrow(prepared),
    )


def _too_narrow(prepared: Prepared) -> tuple[str, ...]:
    options = prepared.manifest.options
    rules = [type_rule(text).pattern for text in options.get("tensor_types", ())]
    shapes = {
        output.name: output.shape
        for output in prepared.plan.outputs
        if not any(rule.search(output.name) for rule in rules)
    }
    stored = {output.name: output.type for output in prepared.plan.outputs}
    return tuple(too_narrow(options["to"], shapes, stored))


def _can_go_on(state: State, paths: list[Path], headers: list[bytes]) -> bool:
    """Whether the files are still there that the journal speaks of."""
    if state.whole is None:
        return all(partial_path(path).exists() for path in paths)
    there = []
    for path, header in zip(paths, headers, strict=True):
        partial = partial_path(path)
        try:
            with (partial if partial.exists() else path).open("rb") as stream:
                there.append(stream.read(len(header)))
        except OSError:
            return False
    return headers_match(there, state.whole)


def check_free(path: Path, overwrite: bool) -> None:
    """Error where the file is there already, but for a conversion that has begun to write it."""
    if not _journal_path(path).exists():
        _require_free([path], overwrite)


def _require_free(paths: list[Path], overwrite: bool) -> None:
    for there in paths:
        if there.exists() and not overwrite:
            raise Error(f"{there} is there already; overwrite=True replaces it")


def _require_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder)[2]
    if free < needed:
        raise Error(f"not enough space in {folder}: {needed:,} bytes are needed, {free:,} are free")


def _write_manifest(prepared: Prepared, manifest: Manifest, path: Path, paths: list[Path]) -> None:
    """Beside its place, from which it is moved with the files."""
    data = manifest.to_json([p.name for p in paths], prepared.plan.outputs)
    with writing(path), partial_path(path).open("w", encoding="utf-8") as stream:
        stream.write(json.dumps(data, indent=1) + "\n")
        stream.flush()
        os.fsync(stream.fileno())


def _plan_digest(prepared: Prepared, headers: list[bytes]) -> str:
    """Of all that decides the bytes, as far as it is known without reading the weights."""
    digest = hashlib.sha256(b"".join(headers))
    for file in prepared.source.files:
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
