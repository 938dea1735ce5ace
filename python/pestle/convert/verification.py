"""Whether a converted file is what its manifest says, and what its source makes again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pestle._core import GgufFile
from pestle.convert.manifest import UNKNOWN, Manifest, headers_digest, read_manifest
from pestle.convert.pipeline import encode_piece, read_ahead
from pestle.convert.preparation import Options, Prepared, prepare
from pestle.convert.reading import FileRead, read_checkpoint
from pestle.errors import FormatError
from pestle.models.progress import Progress, task

_CHUNK = 8 << 20


@dataclass(frozen=True)
class Verification:
    """What was compared, and what differs. `source`: of `rederive` alone."""

    path: Path
    manifest: Manifest
    n_tensors: int
    damaged: tuple[str, ...]
    """Tensors whose bytes have another digest than the manifest says."""
    headers_match: bool
    """Whether the metadata and the list of tensors have theirs."""
    changed_sources: tuple[str, ...] = ()
    """Files of the source that are not those of the manifest."""
    not_rederived: tuple[str, ...] = ()
    """Tensors that the source makes otherwise."""
    metadata_rederived: bool = True
    """Whether the source makes the same metadata."""

    @property
    def ok(self) -> bool:
        """Whether nothing differs."""
        return (
            self.headers_match
            and self.metadata_rederived
            and not (self.damaged or self.changed_sources or self.not_rederived)
        )


def verify(
    path: str | os.PathLike[str],
    *,
    rederive: str | os.PathLike[str] | None = None,
    threads: int = 0,
    progress: Progress | None = None,
) -> Verification:
    """Hash all of a converted file; with `rederive`, its source's folder, also convert it again.

    Converting again happens in memory, tensor by tensor, and writes nothing. UnsupportedError: the
    file has no manifest. Otherwise raises as opening the file and converting the source do.
    """
    file = GgufFile(path)
    manifest = read_manifest(file)
    damaged = []
    with task(progress, "Verifying", sum(t.nbytes for t in file.tensors)) as advance:
        for tensor, stated in zip(file.tensors, manifest.tensors, strict=True):
            digest, data = hashlib.sha256(), file.data(tensor.name).reshape(-1)
            for begin in range(0, len(data), _CHUNK):
                chunk = data[begin : begin + _CHUNK]
                digest.update(chunk.data)
                advance(len(chunk))
            if digest.hexdigest() != stated:
                damaged.append(tensor.name)
    found = Verification(
        Path(path), manifest, len(file.tensors), tuple(damaged), _headers_match(file, manifest)
    )
    if rederive is None:
        return found
    return _rederived(found, file, Path(rederive), threads, progress)


def _headers(file: GgufFile) -> Iterator[bytes]:
    """What stands before the data, shard by shard."""
    for shard, name in enumerate(file.paths):
        path = Path(name)
        begins = [tensor.offset for tensor in file.tensors if tensor.shard == shard]
        with path.open("rb") as stream:
            yield stream.read(min(begins, default=path.stat().st_size))


def _headers_match(file: GgufFile, manifest: Manifest) -> bool:
    stated = manifest.headers.encode()
    blank = [header.replace(stated, UNKNOWN.encode()) for header in _headers(file)]
    return headers_digest(blank) == manifest.headers


def _rederived(
    found: Verification, file: GgufFile, source: Path, threads: int, progress: Progress | None
) -> Verification:
    manifest = found.manifest
    try:
        options = Options(**manifest.options)
    except TypeError as error:
        raise FormatError(
            f"{file.path}: its options {dict(manifest.options)!r:.100} are of another version"
        ) from error
    prepared = prepare(source, options, repository=manifest.repository, revision=manifest.revision)
    # What this version of Pestle calls itself is no difference, for what it makes is compared.
    own = replace(manifest, options=prepared.manifest.options)
    same_headers = list(_headers(file)) == prepared.headers(own)
    digests, different = _compare(prepared, file, threads, progress)
    return replace(
        found,
        changed_sources=tuple(
            sorted(
                name
                for name in digests.keys() | manifest.files.keys()
                if digests.get(name) != manifest.files.get(name)
            )
        ),
        not_rederived=tuple(different),
        metadata_rederived=same_headers,
    )


def _compare(
    prepared: Prepared, file: GgufFile, threads: int, progress: Progress | None
) -> tuple[dict[str, str], list[str]]:
    """The digests of the source's files, and the tensors that differ."""
    plan, digests = prepared.plan, dict(prepared.manifest.files)
    there = {tensor.name: tensor for tensor in file.tensors}
    different = {
        output.name
        for output in plan.outputs
        if output.name not in there or there[output.name].nbytes != output.nbytes
    } | (there.keys() - {output.name for output in plan.outputs})
    for name, data in plan.constants.items():
        if name not in different and file.data(name).tobytes() != data:
            different.add(name)
    with task(progress, "Converting again", prepared.checkpoint.nbytes) as advance:
        pieces = read_checkpoint(prepared.checkpoint, plan.jobs, known={}, advance=advance)
        with read_ahead(pieces) as items:
            for item in items:
                if isinstance(item, FileRead):
                    digests[item.name] = item.sha256
                    continue
                for written in encode_piece(item, prepared.checkpoint.config, threads):
                    name, end = written.output.name, written.start + len(written.data)
                    if name in different:
                        continue
                    if (file.data(name).reshape(-1)[written.start : end] != written.data).any():
                        different.add(name)
    return digests, sorted(different)
