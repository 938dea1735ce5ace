"""The two passes of a conversion: over the source, and over what has reached the disk."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from pestle.conversion.journal import JournalState, Recorder
from pestle.conversion.manifest import Manifest
from pestle.conversion.partial import PartialFiles
from pestle.conversion.plan import ConversionPlan
from pestle.progress import Progress, task
from pestle.quality import certify
from pestle.tensors.pipeline import encode_piece, read_ahead
from pestle.tensors.reading import FileRead, read_source


def write_tensors(
    plan: ConversionPlan,
    files: PartialFiles,
    recorder: Recorder,
    state: JournalState | None,
    threads: int,
    progress: Progress | None,
) -> JournalState:
    """Write every tensor; returns the state with all source files' digests."""
    state = state or JournalState()
    tensors, source = plan.tensors, plan.source
    for output in tensors.outputs:
        if output.name in tensors.constants:
            files.write(output, 0, np.frombuffer(tensors.constants[output.name], np.uint8))
    with task(progress, "Converting", source.nbytes) as advance:
        pieces = read_source(
            source, tensors.jobs, skip=state.pieces, known=state.files, advance=advance
        )
        with read_ahead(pieces) as items:
            for item in items:
                if isinstance(item, FileRead):
                    state.files[item.name] = item.sha256
                    continue
                for written in encode_piece(item, source.config, threads, plan.importance):
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
    plan: ConversionPlan,
    files: PartialFiles,
    state: JournalState,
    threads: int,
    memory: int | None,
    progress: Progress | None,
) -> Manifest:
    """Hash the tensors as they lie on the disk, certify them if wanted, and write the headers."""
    outputs = plan.tensors.outputs
    with (
        task(progress, "Hashing", sum(output.nbytes for output in outputs)) as advance,
        ThreadPoolExecutor(thread_name_prefix="pestle-hash") as pool,
    ):
        digests = []
        for output, digest in zip(outputs, pool.map(files.sha256, outputs), strict=True):
            digests.append(digest)
            advance(output.nbytes)
    manifest = replace(
        plan.manifest,
        files={**plan.manifest.files, **state.files},
        tensors=tuple(digests),
    )
    if manifest.certificate is not None:
        write_headers(plan, files, manifest)
        certificate = certify(
            files.readable(), plan.source, manifest.pestle, threads, progress, memory=memory
        )
        manifest = replace(manifest, certificate=certificate.text())
    return write_headers(plan, files, manifest)


def write_headers(plan: ConversionPlan, files: PartialFiles, manifest: Manifest) -> Manifest:
    """Write what stands before the data; returns the manifest with the digest of all of it."""
    sealed = plan.sealed(manifest)
    for shard, header in enumerate(plan.headers(sealed)):
        files.write_header(shard, header)
    return sealed
