"""A conversion, carried out: one pass over the source, resumable, and whole or not there."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pestle import files
from pestle._core import GgufFile
from pestle.conversion.journal import Journal, JournalState, Recorder
from pestle.conversion.manifest import Manifest, headers_match, read_manifest
from pestle.conversion.options import type_rule
from pestle.conversion.partial import PartialFiles, Workplace, publish, require_free
from pestle.conversion.passes import finish, write_tensors
from pestle.conversion.plan import ConversionPlan, refusal
from pestle.conversion.stored_types import too_narrow
from pestle.errors import Error, UnsupportedError
from pestle.progress import Progress
from pestle.quality import Certificate
from pestle.quality.certificate import KEY as CERTIFICATE
from pestle.tensors.writing import writing
from pestle.untrusted_json import parse_object

_MOST_MANIFEST_BYTES = 1 << 28
RECORD_SECONDS = 5.0
"""How often what is done is synced and noted: at most so much is done again after a crash."""


@dataclass(frozen=True, repr=False)
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

    def to_dict(self) -> dict[str, Any]:
        """What was made, as JSON has it: numbers, texts, lists and dicts."""
        return {
            "version": 1,
            "paths": [str(path) for path in self.paths],
            "manifest": str(self.manifest_path),
            "bytes_read": self.bytes_read,
            "bytes_written": self.bytes_written,
            "types": dict(self.types),
            "resumed": self.resumed,
            "seconds": self.seconds,
            "requantized": dict(self.requantized),
            "without_importance": list(self.without_importance),
            "too_narrow": list(self.too_narrow),
            "refusal": self.refusal,
            "certificate": None if self.certificate is None else self.certificate.to_dict(),
        }

    def __repr__(self) -> str:
        more = f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else ""
        size = f"{self.bytes_written:,} bytes in {self.seconds:.1f} s"
        return f"Conversion({str(self.paths[0])!r}{more}, {size})"


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
    plan: ConversionPlan,
    path: Path,
    *,
    overwrite: bool = False,
    threads: int = 0,
    memory: int | None = None,
    progress: Progress | None = None,
    record_seconds: float = RECORD_SECONDS,
) -> Conversion:
    """Write the file `path`, or its shards, and the manifest beside it.

    memory: bytes that the process may take while it certifies; None: what is free.

    Nothing stands at `path` before all of it is on the disk; until then it grows in the folder
    `path.partial`, from which the same conversion goes on after it was killed. Raises Error where
    the disk is full, the system refuses or a file is there that may not be replaced,
    FormatError where the source has changed or holds values that no type can, UnsupportedError
    where a model shall be certified that Pestle does not run.
    """
    began = time.monotonic()
    paths = shard_paths(path, plan.tensors.n_shards)
    headers = plan.headers(plan.manifest)
    sizes = plan.sizes(headers)
    place = Workplace(path)
    journal = Journal(place.journal, _plan_digest(plan, headers))
    if not place.is_begun():
        _require_free(paths, overwrite)
    _require_own_manifest(manifest_path(path), overwrite)
    with place.hold():
        found = journal.load()
        if found is not None and not _can_go_on(found, place, paths, headers):
            found = None
        if found is None or found.whole is None:
            _require_free(paths, overwrite)
        if found is None:
            _require_space(path.parent, sum(sizes))
            place.clear()
        not_run = refusal(plan, place.check)
        if not_run is not None and plan.manifest.certificate is not None:
            raise UnsupportedError(f"{path.name} cannot be certified: {not_run}")
        if found is None or found.whole is None:
            partial = PartialFiles(place, paths, [len(header) for header in headers])
            try:
                partial.begin(sizes)
                with writing(journal.path):
                    journal.begin(found)
                recorder = Recorder(journal, partial.sync, record_seconds)
                try:
                    state = write_tensors(plan, partial, recorder, found, threads, progress)
                    manifest = finish(plan, partial, state, threads, memory, progress)
                    _write_manifest(plan, manifest, place, paths)
                    recorder.note(replace(state, whole=manifest.headers))
                    recorder.wait()
                finally:
                    recorder.close()
            finally:
                partial.close()
                journal.close()
        publish(place, paths, manifest_path(path), overwrite=overwrite)
        place.remove()
    types: dict[str, int] = {}
    for output in plan.tensors.outputs:
        types[output.type] = types.get(output.type, 0) + 1
    return Conversion(
        tuple(paths),
        manifest_path(path),
        read_manifest(GgufFile(paths[0])),
        plan.source.nbytes,
        sum(sizes),
        types,
        found is not None,
        time.monotonic() - began,
        not_run,
        plan.tensors.requantized(),
        plan.importance.missing if plan.importance is not None else (),
        _too_narrow(plan),
    )


def _too_narrow(plan: ConversionPlan) -> tuple[str, ...]:
    options = plan.manifest.options
    rules = [type_rule(text).pattern for text in options.get("tensor_types", ())]
    shapes = {
        output.name: output.shape
        for output in plan.tensors.outputs
        if output.name not in options.get("chosen_types", ())
        and not any(rule.search(output.name) for rule in rules)
    }
    stored = {output.name: output.type for output in plan.tensors.outputs}
    return tuple(too_narrow(options["to"], shapes, stored))


def _can_go_on(
    state: JournalState, place: Workplace, paths: list[Path], headers: list[bytes]
) -> bool:
    """Whether the files are still there that the journal speaks of."""
    if state.whole is None:
        return all(place.of(path).is_file() for path in paths)
    there = []
    for path, header in zip(paths, headers, strict=True):
        partial = place.of(path)
        try:
            with files.reading(partial if partial.exists() else path) as stream:
                there.append(stream.read(len(header)))
        except OSError:
            return False
    return headers_match(there, state.whole)


def check_free(path: Path, overwrite: bool) -> None:
    """Error where the file is there already, but for a conversion that has begun to write it."""
    if not Workplace(path).is_begun():
        _require_free([path], overwrite)


def _require_free(paths: list[Path], overwrite: bool) -> None:
    for there in paths:
        if not overwrite:
            require_free(there)
        with writing(there):
            status = files.status_at(there)
            if status is not None:
                files.require_regular(there, status)


def _require_own_manifest(path: Path, overwrite: bool) -> None:
    """Error where a file of somebody else stands in the manifest's place."""
    with writing(path):
        status = files.status_at(path)
        if status is None:
            return
        files.require_regular(path, status)
        if overwrite:
            return
    try:
        found = json.loads(files.read_bounded(path, _MOST_MANIFEST_BYTES))
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not {"pestle", "headers_sha256"} <= found.keys():
        require_free(path)


def _require_space(folder: Path, needed: int) -> None:
    with writing(folder):
        free = files.free_space(folder)
    if free < needed:
        raise Error(f"not enough space in {folder}: {needed:,} bytes are needed, {free:,} are free")


def _write_manifest(
    plan: ConversionPlan, manifest: Manifest, place: Workplace, paths: list[Path]
) -> None:
    """Beside the shards, with which it is moved to its place."""
    path = manifest_path(place.output)
    data = manifest.to_json([p.name for p in paths], plan.tensors.outputs)
    with writing(path), files.placed(place.of(path), follow=False) as stream:
        stream.write((json.dumps(data, indent=1) + "\n").encode())


def _plan_digest(plan: ConversionPlan, headers: list[bytes]) -> str:
    """Of all that decides the bytes, as far as it is known without reading the weights."""
    digest = hashlib.sha256(b"".join(headers))
    for file in plan.source.files:
        _, _, size, changed = file.stamp
        digest.update(f"{file.path.name} {size} {changed}\n".encode(errors="surrogateescape"))
    # Pieces are what the journal counts.
    digest.update(str(sorted({str(job.most) for job in plan.tensors.jobs.values()})).encode())
    return digest.hexdigest()
