"""A conversion of which all is decided: its tensors, its metadata, the layout of its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pestle import files
from pestle._core import GgufFile, kv_memory
from pestle.conversion.manifest import UNKNOWN, Manifest, headers_digest
from pestle.conversion.partial import writing
from pestle.errors import FormatError, UnsupportedError
from pestle.gguf.header import I32, U16, HeaderTensor, aligned, header_bytes
from pestle.tensors.plan import Output, TensorPlan
from pestle.tensors.source import SourceModel
from pestle.tensors.weighting import Weighting
from pestle.types import TYPES


@dataclass(frozen=True)
class Prepared:
    """A conversion that only has to be carried out."""

    source: SourceModel
    plan: TensorPlan
    keys: Mapping[str, Any]
    manifest: Manifest
    """Without the digests of what has not been read."""
    weighting: Weighting | None = None
    """The importance of the tensors' columns, if an importance matrix was given."""

    def headers(self, manifest: Manifest) -> list[bytes]:
        """The header of each shard, with the digests that `manifest` has."""
        return [self._header(shard, manifest) for shard in range(self.plan.n_shards)]

    def sealed(self, manifest: Manifest) -> Manifest:
        """The manifest with the digest of the headers that hold it."""
        unknown = replace(manifest, headers=UNKNOWN)
        return replace(manifest, headers=headers_digest(self.headers(unknown)))

    def sizes(self, headers: Sequence[bytes]) -> list[int]:
        """The bytes of each shard."""
        sizes = [len(header) for header in headers]
        for output in self.plan.outputs:
            end = aligned(len(headers[output.shard]) + output.offset + output.nbytes)
            sizes[output.shard] = max(sizes[output.shard], end)
        return sizes

    def _header(self, shard: int, manifest: Manifest) -> bytes:
        keys: dict[str, Any] = {}
        if shard == 0:
            keys = {**self.keys, **manifest.keys()}
        if self.plan.n_shards > 1:
            keys |= {
                "split.no": U16(shard),
                "split.count": U16(self.plan.n_shards),
                "split.tensors.count": I32(len(self.plan.outputs)),
            }
        outputs = [output for output in self.plan.outputs if output.shard == shard]
        return header_bytes(keys, map(entry, outputs))


def refusal(prepared: Prepared, scratch: Path) -> str | None:
    """Why Pestle does not run the new file, which other programs may; None if it does.

    FormatError: nobody can, for a tensor is missing, or has another shape than the config says.
    `scratch`: a file of the full size, but without data, that is made and deleted again.
    """
    outputs, offset = [], 0
    for output in prepared.plan.outputs:
        outputs.append(replace(output, shard=0, offset=offset))
        offset = aligned(offset + output.nbytes)
    header = header_bytes(prepared.keys, map(entry, outputs))
    try:
        with writing(scratch), files.created(scratch) as stream:
            stream.write(header)
            stream.truncate(len(header) + offset)
        kv_memory(GgufFile(scratch))
        return None
    except UnsupportedError as error:
        return str(error).removeprefix(f"{scratch.name}: ")
    except FormatError as error:
        path = prepared.source.path
        raise FormatError(str(error).replace(scratch.name, f"{path} as GGUF")) from error
    finally:
        with writing(scratch):
            files.remove(scratch)


def entry(output: Output) -> HeaderTensor:
    """A tensor in a file's list of them."""
    return HeaderTensor(output.name, output.shape, TYPES[output.type].id, output.offset)
