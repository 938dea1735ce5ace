"""All that a conversion decides before it reads a weight: metadata, tensors, the files' layout."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pestle._core import GgufFile, kv_memory
from pestle.blocks import ModelFacts, file_type
from pestle.convert.checkpoint import Checkpoint, check_quantization, open_checkpoint
from pestle.convert.checkpoint.folder import INDEX
from pestle.convert.manifest import UNKNOWN, Manifest, headers_digest
from pestle.convert.metadata import architecture_keys, general_keys, read_generation_config
from pestle.convert.names import NAME_MAPS
from pestle.convert.partial import writing
from pestle.convert.plan import Output, TensorPlan, plan_tensors
from pestle.convert.types import TARGETS, TYPE_IDS
from pestle.convert.vocabulary import tokenizer_keys, vocabulary_rows
from pestle.errors import FormatError, UnsupportedError
from pestle.gguf_header import I32, U16, HeaderTensor, aligned, header_bytes

_READ_WHOLE = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "chat_template.json",
    "chat_template.jinja",
    INDEX,
)
"""What a checkpoint holds beside its safetensors and decides what a file says."""


@dataclass(frozen=True)
class Options:
    """What decides the bytes of the new file, beside the checkpoint. `to`: a type, or a mixture."""

    to: str
    name: str | None = None
    split_size: int = 0

    def __post_init__(self) -> None:
        if self.to not in TARGETS:
            raise UnsupportedError(
                f"cannot convert to {self.to!r:.40}, expected {', '.join(TARGETS)}"
            )


@dataclass(frozen=True)
class Prepared:
    """A conversion that only has to be carried out."""

    checkpoint: Checkpoint
    plan: TensorPlan
    keys: Mapping[str, Any]
    manifest: Manifest
    """Without the digests of what has not been read."""

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
        return header_bytes(keys, map(_entry, outputs))


def prepare(
    source: Path, options: Options, *, repository: str | None = None, revision: str | None = None
) -> Prepared:
    """Open the checkpoint in the folder `source` and decide everything.

    Raises ModelNotFoundError, FormatError, UnsupportedError and TokenizerError, which say what of
    the checkpoint is wrong or cannot be converted.
    """
    checkpoint = open_checkpoint(source)
    config = checkpoint.config
    if config.model_type not in NAME_MAPS:
        raise UnsupportedError(
            f"{config.path}: model_type `{config.model_type:.40}` is not known; "
            f"Pestle converts {', '.join(NAME_MAPS)}"
        )
    check_quantization(config)
    names = NAME_MAPS[config.model_type]
    architecture = names.architecture
    n_vocab = vocabulary_rows(config)
    own = architecture_keys(architecture, config) | {"vocab_size": n_vocab}
    facts = ModelFacts(
        own["block_count"],
        own["attention.head_count"],
        own["attention.head_count_kv"],
        own.get("expert_count", 0),
    )
    plan = plan_tensors(
        checkpoint, names, options.to, facts, n_vocab=n_vocab, split_size=options.split_size
    )
    generation = read_generation_config(source)
    keys = {
        **general_keys(
            architecture,
            name=options.name or _stated_name(checkpoint),
            file_type=file_type(options.to),
            generation=generation,
        ),
        **{f"{architecture}.{key}": value for key, value in own.items()},
        **tokenizer_keys(source, config, generation, n_vocab),
    }
    return Prepared(
        checkpoint,
        plan,
        keys,
        Manifest(
            _version(),
            asdict(options),
            _digests(checkpoint),
            (UNKNOWN,) * len(plan.outputs),
            repository,
            revision,
        ),
    )


def refusal(prepared: Prepared, scratch: Path) -> str | None:
    """Why Pestle does not run the new file, which other programs may; None if it does.

    FormatError: nobody can, for a tensor is missing, or has another shape than the config says.
    `scratch`: a file of the full size, but without data, that is made and deleted again.
    """
    outputs, offset = [], 0
    for output in prepared.plan.outputs:
        outputs.append(replace(output, shard=0, offset=offset))
        offset = aligned(offset + output.nbytes)
    header = header_bytes(prepared.keys, map(_entry, outputs))
    try:
        with writing(scratch), scratch.open("wb") as stream:
            stream.write(header)
            stream.truncate(len(header) + offset)
        kv_memory(GgufFile(scratch))
        return None
    except UnsupportedError as error:
        return str(error).removeprefix(f"{scratch.name}: ")
    except FormatError as error:
        folder = prepared.checkpoint.folder
        raise FormatError(str(error).replace(scratch.name, f"{folder} as GGUF")) from error
    finally:
        scratch.unlink(missing_ok=True)


def _entry(output: Output) -> HeaderTensor:
    return HeaderTensor(output.name, output.shape, TYPE_IDS[output.type], output.offset)


def _stated_name(checkpoint: Checkpoint) -> str | None:
    """What the config itself says: a folder's name is no part of a checkpoint."""
    found = checkpoint.config.get("_name_or_path")
    return found.rstrip("/").rpartition("/")[2] or None if isinstance(found, str) else None


def _digests(checkpoint: Checkpoint) -> dict[str, str]:
    paths = [checkpoint.folder / name for name in _READ_WHOLE]
    digests = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths if path.is_file()
    }
    return digests | {file.path.name: UNKNOWN for file in checkpoint.files}


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("pestle")
    except PackageNotFoundError:
        return "0+unknown"
