"""The two passes of a conversion: over the source, and over what has reached the disk."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from pestle.conversion.journal import Recorder, State
from pestle.conversion.manifest import Manifest
from pestle.conversion.partial import PartialFiles
from pestle.conversion.preparation import Prepared
from pestle.progress import Progress, task
from pestle.quality import certify
from pestle.tensors.pipeline import encode_piece, read_ahead
from pestle.tensors.reading import FileRead, read_source


def write_tensors(
    prepared: Prepared,
    files: PartialFiles,
    recorder: Recorder,
    state: State | None,
    threads: int,
    progress: Progress | None,
) -> State:
    """Write every tensor; returns the state with all source files' digests."""
    state = state or State()
    plan, source = prepared.plan, prepared.source
    for output in plan.outputs:
        if output.name in plan.constants:
            files.write(output, 0, np.frombuffer(plan.constants[output.name], np.uint8))
    with task(progress, "Converting", source.nbytes) as advance:
        pieces = read_source(
            source, plan.jobs, skip=state.pieces, known=state.files, advance=advance
        )
        with read_ahead(pieces) as items:
            for item in items:
                if isinstance(item, FileRead):
                    state.files[item.name] = item.sha256
                    continue
                for written in encode_piece(item, source.config, threads, prepared.weighting):
                    files.write(*written)
                state.pieces += 1
                if recorder.due():
                    files.wait()
                    recorder.note(state)
    files.wait()
    recorder.note(state)
    recorder.wait()
    return state


def finish(
    prepared: Prepared,
    files: PartialFiles,
    state: State,
    threads: int,
    progress: Progress | None,
) -> Manifest:
    """Hash the tensors as they lie on the disk, certify them if wanted, and write the headers."""
    outputs = prepared.plan.outputs
    with (
        task(progress, "Hashing", sum(output.nbytes for output in outputs)) as advance,
        ThreadPoolExecutor(thread_name_prefix="pestle-hash") as pool,
    ):
        digests = []
        for output, digest in zip(outputs, pool.map(files.sha256, outputs), strict=True):
            digests.append(digest)
            advance(output.nbytes)
    manifest = replace(
        prepared.manifest,
        files={**prepared.manifest.files, **state.files},
        tensors=tuple(digests),
    )
    if manifest.certificate is not None:
        write_headers(prepared, files, manifest)
        certificate = certify(files.readable(), prepared.source, manifest.pestle, threads, progress)
        manifest = replace(manifest, certificate=certificate.text())
    return write_headers(prepared, files, manifest)


def write_headers(prepared: Prepared, files: PartialFiles, manifest: Manifest) -> Manifest:
    """Write what stands before the data; returns the manifest with the digest of all of it."""
    sealed = prepared.sealed(manifest)
    for shard, header in enumerate(prepared.headers(sealed)):
        files.write_header(shard, header)
    return sealed
