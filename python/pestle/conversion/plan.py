"""A conversion of which all is decided: its tensors, its metadata, the layout of its files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pestle import files
from pestle._core import GgufFile, kv_memory
from pestle.conversion.gguf_model import open_gguf
from pestle.conversion.manifest import UNKNOWN, Manifest, headers_digest
from pestle.conversion.options import ConversionOptions
from pestle.conversion.stored_types import stored_types
from pestle.errors import FormatError, UnsupportedError
from pestle.gguf.header import I32, U16, aligned, header_bytes
from pestle.huggingface import open_model
from pestle.huggingface.metadata.general import FILE_TYPE, QUANTIZATION_VERSION, VERSION_KEY
from pestle.quality import BLANK
from pestle.quantization import file_type
from pestle.tensors.model import SourceModel
from pestle.tensors.plan import TensorPlan, plan_tensors
from pestle.tensors.plan_importance import ImportanceSource, PlanImportance
from pestle.tensors.writing import writing
from pestle.version import own_version


@dataclass(frozen=True)
class ConversionPlan:
    """A conversion that only has to be carried out."""

    source: SourceModel
    tensors: TensorPlan
    keys: Mapping[str, Any]
    manifest: Manifest
    """Without the digests of what has not been read."""
    importance: PlanImportance | None = None
    """The importance of the tensors' columns, if an importance matrix was given."""

    def headers(self, manifest: Manifest) -> list[bytes]:
        """The header of each shard, with the digests that `manifest` has."""
        return [self._header(shard, manifest) for shard in range(self.tensors.n_shards)]

    def sealed(self, manifest: Manifest) -> Manifest:
        """The manifest with the digest of the headers that hold it."""
        unknown = replace(manifest, headers=UNKNOWN)
        return replace(manifest, headers=headers_digest(self.headers(unknown)))

    def sizes(self, headers: Sequence[bytes]) -> list[int]:
        """The bytes of each shard."""
        sizes = [len(header) for header in headers]
        for output in self.tensors.outputs:
            end = aligned(len(headers[output.shard]) + output.offset + output.nbytes)
            sizes[output.shard] = max(sizes[output.shard], end)
        return sizes

    def _header(self, shard: int, manifest: Manifest) -> bytes:
        keys: dict[str, Any] = {}
        if shard == 0:
            keys = {**self.keys, **manifest.keys()}
        if self.tensors.n_shards > 1:
            keys |= {
                "split.no": U16(shard),
                "split.count": U16(self.tensors.n_shards),
                "split.tensors.count": I32(len(self.tensors.outputs)),
            }
        outputs = [output for output in self.tensors.outputs if output.shard == shard]
        return header_bytes(keys, [output.header() for output in outputs])


def open_source(
    path: Path, *, name: str | None = None, tokenizer_pre: str | None = None
) -> SourceModel:
    """A GGUF file, or a checkpoint's folder: raises as `open_gguf` or `open_model`.

    name, tokenizer_pre: of checkpoints; see `open_model`.
    """
    if path.is_file():
        return open_gguf(path)
    return open_model(path, name=name, tokenizer_pre=tokenizer_pre)


def plan_conversion(
    source: SourceModel,
    options: ConversionOptions,
    *,
    importance: ImportanceSource | None = None,
    repository: str | None = None,
    revision: str | None = None,
    certify: bool = False,
) -> ConversionPlan:
    """Decide everything about the new file; reads nothing.

    importance: what `options.imatrix` is the digest of. certify: whether the file will hold a
    certificate. Raises as `stored_types`, and FormatError where the importance is of another model.
    """
    types = stored_types(source, options)
    tensors = plan_tensors(source, types, split_size=options.split_size)
    keys = {**source.keys, FILE_TYPE: file_type(options.to), VERSION_KEY: QUANTIZATION_VERSION}
    manifest = Manifest(
        own_version(),
        options.record(),
        {**source.digests, **{file.name: UNKNOWN for file in source.files}},
        (UNKNOWN,) * len(tensors.outputs),
        repository,
        revision,
        certificate=BLANK if certify else None,
    )
    of_plan = PlanImportance(importance, tensors.outputs) if importance is not None else None
    return ConversionPlan(source, tensors, keys, manifest, of_plan)


def refusal(plan: ConversionPlan, scratch: Path) -> str | None:
    """Why Pestle does not run the new file, which other programs may; None if it does.

    FormatError: nobody can, for a tensor is missing, or has another shape than the config says.
    `scratch`: as `outline` has it.
    """
    try:
        with outline(plan, scratch) as file:
            kv_memory(file)
        return None
    except UnsupportedError as error:
        return str(error).removeprefix(f"{scratch.name}: ")
    except FormatError as error:
        path = plan.source.path
        raise FormatError(str(error).replace(scratch.name, f"{path} as GGUF")) from error


@contextmanager
def outline(plan: ConversionPlan, scratch: Path) -> Iterator[GgufFile]:
    """The new file without its data: of the full size, at `scratch`, deleted behind the block."""
    outputs, offset = [], 0
    for output in plan.tensors.outputs:
        outputs.append(replace(output, shard=0, offset=offset))
        offset = aligned(offset + output.nbytes)
    header = header_bytes(plan.keys, [output.header() for output in outputs])
    try:
        with writing(scratch), files.created(scratch) as stream:
            stream.write(header)
            stream.truncate(len(header) + offset)
        yield GgufFile(scratch)
    finally:
        with writing(scratch):
            files.remove(scratch)
