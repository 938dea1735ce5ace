"""What a new file has lost of its source, measured before it takes its place."""

from __future__ import annotations

from pathlib import Path

from pestle.progress import Progress
from pestle.quality.certificate import Certificate
from pestle.quality.checkpoint_subject import CheckpointSubject
from pestle.quality.evaluation import measure
from pestle.quality.subject import FileSubject, Subject
from pestle.quality.text_set import built_in
from pestle.tensors.model import SourceModel


def certify(
    file: Path,
    source: SourceModel,
    version: str,
    threads: int,
    progress: Progress | None,
    *,
    memory: int | None = None,
) -> Certificate:
    """Evaluate the GGUF file, which is whole but for its certificate, against its source.

    version: of the Pestle that has made it. memory: bytes that the process may take; None: what is
    free. Raises as `evaluate` does.
    """
    is_checkpoint = source.path.is_dir()
    reference: Subject = CheckpointSubject(source) if is_checkpoint else FileSubject(source.path)
    found = measure(
        FileSubject(file),
        reference,
        built_in(),
        threads=threads,
        memory=memory,
        progress=progress,
    )
    return Certificate(version, found)
