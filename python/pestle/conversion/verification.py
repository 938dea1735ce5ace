"""Whether a converted file is what its manifest says, and what its source makes again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pestle._core import GgufFile
from pestle.conversion.contents import WrongSize, read_contents
from pestle.conversion.manifest import Manifest, headers_match, read_manifest
from pestle.conversion.options import ConversionOptions
from pestle.conversion.plan import ConversionPlan, open_source, plan_conversion
from pestle.conversion.sidecar import sidecar_path, sidecar_problems
from pestle.errors import FormatError
from pestle.models.stamp import open_stamped
from pestle.options import check_bool, check_integer
from pestle.options.arguments import known_arguments
from pestle.options.checks import INT32_MAX, StrPath, check_path, check_progress
from pestle.progress import Progress, task
from pestle.tensors.pipeline import encode_piece, read_ahead
from pestle.tensors.plan_importance import ImportanceSource, opened
from pestle.tensors.reading import FileRead, read_source


@dataclass(frozen=True, repr=False)
class Verification:
    """What was compared, and what differs. `source`: of `rederive` alone."""

    path: Path
    manifest: Manifest
    n_tensors: int
    damaged: tuple[str, ...]
    """Tensors whose bytes have another digest than the manifest says."""
    headers_match: bool
    """Whether the metadata and the list of tensors have theirs."""
    padded_wrongly: tuple[str, ...] = ()
    """Tensors whose padding up to the alignment is not all zeros."""
    wrong_sizes: tuple[WrongSize, ...] = ()
    """Shards that do not end where their last tensor does."""
    sidecar_path: Path | None = None
    """FILE.manifest.json, where it was compared."""
    sidecar: tuple[str, ...] = ()
    """In what it is not the manifest in the metadata: each the rest of a sentence about it."""
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
            self.file_ok
            and self.metadata_rederived
            and not (self.sidecar or self.changed_sources or self.not_rederived)
        )

    @property
    def file_ok(self) -> bool:
        """Whether every byte of the file itself, all shards, is what its metadata says."""
        return self.headers_match and not (self.damaged or self.padded_wrongly or self.wrong_sizes)

    def to_dict(self) -> dict[str, Any]:
        """What was found, as JSON has it: numbers, texts, lists and dicts."""
        return {
            "version": 1,
            "path": str(self.path),
            "ok": self.ok,
            "pestle": self.manifest.pestle,
            "options": dict(self.manifest.options),
            "tensors": self.n_tensors,
            "damaged": list(self.damaged),
            "headers_match": self.headers_match,
            "padded_wrongly": list(self.padded_wrongly),
            "wrong_sizes": [asdict(wrong) for wrong in self.wrong_sizes],
            "sidecar": list(self.sidecar),
            "changed_sources": list(self.changed_sources),
            "not_rederived": list(self.not_rederived),
            "metadata_rederived": self.metadata_rederived,
        }

    def __repr__(self) -> str:
        return f"Verification({str(self.path)!r}, {self.n_tensors} tensors, ok={self.ok})"


@known_arguments
def verify(
    path: StrPath,
    *,
    sidecar: bool = True,
    rederive: StrPath | None = None,
    imatrix: StrPath | ImportanceSource | None = None,
    threads: int = 0,
    progress: Progress | None = None,
) -> Verification:
    """Check every byte of a converted file; with `rederive`, its source, also convert it again.

    Headers and tensors are hashed, and what lies between and behind the tensors must be zeros up
    to the alignment. Converting again happens in memory, tensor by tensor, and writes nothing.

    Args:
        path: The file, of a split model the first.
        sidecar: Whether FILE.manifest.json must be there and say the same as the manifest in the
            file's metadata.
        rederive: The source: the checkpoint's folder, or the GGUF file that was quantized.
        imatrix: The importance matrix, where there was one when it was converted.
        threads: 0 for one per usable core.
        progress: Hears how far it is.

    UnsupportedError: the file has no manifest. FormatError: `imatrix` is not that of the manifest.
    ArgumentError: an argument is wrong.
    Otherwise raises as opening the file and converting the source do.
    """
    check_bool("sidecar", sidecar)
    check_integer("threads", threads, 0, INT32_MAX)
    check_progress(progress)
    if rederive is not None:
        check_path("rederive", rederive)
    file, stamps = open_stamped(check_path("path", path))
    manifest = read_manifest(file)
    with task(progress, "Verifying", file.size) as advance:
        contents = read_contents(file, stamps, advance)
    found = Verification(
        Path(path),
        manifest,
        len(file.tensors),
        tuple(
            tensor.name
            for tensor, stated in zip(file.tensors, manifest.tensors, strict=True)
            if contents.digests[tensor.name] != stated
        ),
        headers_match(contents.headers, manifest.headers),
        contents.padded_wrongly,
        contents.wrong_sizes,
    )
    if sidecar:
        problems = sidecar_problems(file, manifest)
        found = replace(found, sidecar_path=sidecar_path(file), sidecar=problems)
    if rederive is None:
        return found
    plan = _planned_again(file, manifest, Path(rederive), opened(imatrix))
    return _rederived(found, file, contents.headers, plan, threads, progress)


def _planned_again(
    file: GgufFile, manifest: Manifest, source: Path, importance: ImportanceSource | None
) -> ConversionPlan:
    try:
        options = ConversionOptions.of_record(manifest.options)
    except (TypeError, ValueError) as error:
        raise FormatError(
            f"{file.path}: its options {dict(manifest.options)!r:.100} are of another version"
        ) from error
    found = importance.digest if importance is not None else None
    if found != options.imatrix:
        raise FormatError(
            f"{file.path}: the importance matrix has the sha256 {found}, expected {options.imatrix}"
            "; imatrix=... says where it is"
        )
    return plan_conversion(
        open_source(source, name=options.name, tokenizer_pre=options.tokenizer_pre),
        options,
        importance=importance,
        repository=manifest.repository,
        revision=manifest.revision,
    )


def _rederived(
    found: Verification,
    file: GgufFile,
    headers: Sequence[bytes],
    plan: ConversionPlan,
    threads: int,
    progress: Progress | None,
) -> Verification:
    manifest = found.manifest
    # What this version of Pestle calls itself is not a difference, for what it makes is compared.
    own = replace(manifest, options=plan.manifest.options)
    same_headers = list(headers) == plan.headers(own)
    digests, different = _compare(plan, file, threads, progress)
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
    plan: ConversionPlan, file: GgufFile, threads: int, progress: Progress | None
) -> tuple[dict[str, str], list[str]]:
    """The digests of the source's files, and the tensors that differ."""
    tensors, digests = plan.tensors, dict(plan.manifest.files)
    there = {tensor.name: tensor for tensor in file.tensors}
    different = {
        output.name
        for output in tensors.outputs
        if output.name not in there or there[output.name].nbytes != output.nbytes
    } | (there.keys() - {output.name for output in tensors.outputs})
    for name, data in tensors.constants.items():
        if name not in different and file.read(name).tobytes() != data:
            different.add(name)
    with task(progress, "Converting again", plan.source.nbytes) as advance:
        pieces = read_source(plan.source, tensors.jobs, known={}, advance=advance)
        with read_ahead(pieces) as items:
            for item in items:
                if isinstance(item, FileRead):
                    digests[item.name] = item.sha256
                    continue
                for written in encode_piece(item, plan.source.config, threads, plan.importance):
                    name = written.output.name
                    if name in different:
                        continue
                    there_now = file.read(name, written.start, len(written.data))
                    if (there_now != written.data).any():
                        different.add(name)
    return digests, sorted(different)
