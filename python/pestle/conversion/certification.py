"""What a new file has lost of its source, measured before it takes its place."""

from __future__ import annotations

from dataclasses import replace

from pestle.conversion.partial import PartialFiles
from pestle.conversion.prepared import Prepared
from pestle.conversion.reference import CheckpointSubject
from pestle.progress import Progress
from pestle.quality import BLANK, Certificate, FileSubject, Subject, built_in, measure


def with_blank_certificate(prepared: Prepared) -> Prepared:
    """The same conversion, whose file will hold a certificate."""
    return replace(prepared, manifest=replace(prepared.manifest, certificate=BLANK))


def certified(
    prepared: Prepared, files: PartialFiles, threads: int, progress: Progress | None
) -> Certificate:
    """Evaluate the file, which is whole but for its certificate, against its source."""
    source = prepared.source.path
    reference: Subject
    if source.is_dir():
        pre = prepared.manifest.options.get("tokenizer_pre")
        reference = CheckpointSubject(source, tokenizer_pre=pre)
    else:
        reference = FileSubject(source)
    model = FileSubject(files.readable())
    found = measure(model, reference, built_in(), threads=threads, progress=progress)
    return Certificate(prepared.manifest.pestle, found)
