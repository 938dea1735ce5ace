"""All that the quantization of a GGUF file decides before it reads a weight."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from pestle._core import GgufFile
from pestle.conversion.gguf_model import GgufModel, open_gguf
from pestle.conversion.manifest import OWN_KEYS, UNKNOWN, Manifest
from pestle.conversion.options import Options
from pestle.conversion.prepared import Prepared
from pestle.conversion.types import stored_types
from pestle.errors import FormatError, UnsupportedError
from pestle.gguf.header import Encoded
from pestle.huggingface.metadata.general import FILE_TYPE, QUANTIZATION_VERSION, VERSION_KEY
from pestle.huggingface.names import NAME_MAPS
from pestle.quantization import ModelFacts, file_type
from pestle.tensors.plan import Job, Output, Share, TensorPlan, placed
from pestle.tensors.transforms import unchanged
from pestle.tensors.types import stored_bytes
from pestle.tensors.weighting import ImportanceSource, Weighting
from pestle.version import own_version

_OF_THE_FILE: Final = (OWN_KEYS, "split.", "general.alignment")
"""Beginnings of keys that say how a file came about or lies on the disk, not what it holds."""


def prepare_gguf(
    path: Path,
    options: Options,
    *,
    importance: ImportanceSource | None = None,
    repository: str | None = None,
    revision: str | None = None,
) -> Prepared:
    """Open the GGUF file at `path` and decide everything.

    importance: what `options.imatrix` is the digest of. Raises as `open_gguf` and `stored_types`,
    and UnsupportedError for an architecture whose tensors are not known.
    """
    model = open_gguf(path)
    plan = _plan(model, options, _facts(model.file))
    digests = {file.name: UNKNOWN for file in model.files}
    unknown = (UNKNOWN,) * len(plan.outputs)
    return Prepared(
        model,
        plan,
        _keys(model.file, options.to),
        Manifest(own_version(), options.record(), digests, unknown, repository, revision),
        Weighting(importance, plan.outputs) if importance is not None else None,
    )


def _facts(file: GgufFile) -> ModelFacts:
    known = sorted({names.architecture for names in NAME_MAPS.values()})
    architecture = file.get("general.architecture")
    if architecture not in known:
        raise UnsupportedError(
            f"{file.path}: the architecture {architecture!r:.40} is not known, nor which of "
            f"its tensors may be quantized; expected {', '.join(known)}"
        )
    heads = _count(file, f"{architecture}.attention.head_count")
    return ModelFacts(
        _count(file, f"{architecture}.block_count"),
        heads,
        _count(file, f"{architecture}.attention.head_count_kv", heads),
        _count(file, f"{architecture}.expert_count", 0),
    )


def _count(file: GgufFile, key: str, absent: int | None = None) -> int:
    found: Any = file.get(key, absent)
    if type(found) is not int or found < 0:
        raise FormatError(f"{file.path}: key `{key}` is {found!r:.40}, expected a count")
    return found


def _keys(file: GgufFile, mixture: str) -> dict[str, Any]:
    """The file's metadata, value by value as it stands there, and what is new of it."""
    kept = [key for key in file.keys() if not key.startswith(_OF_THE_FILE)]  # noqa: SIM118
    keys: dict[str, Any] = {key: Encoded(file.encoded(key)) for key in kept}
    return keys | {FILE_TYPE: file_type(mixture), VERSION_KEY: QUANTIZATION_VERSION}


def _plan(model: GgufModel, options: Options, facts: ModelFacts) -> TensorPlan:
    """Outputs in the order of the source. Tensors that are not matrices stay as they are."""
    now = {name: source.type for name, source in model.sources.items()}
    types = stored_types(model.shapes, now, options, facts, others=now)
    outputs = placed(
        [
            Output(name, types[name], shape, stored_bytes(types[name], shape))
            for name, shape in model.shapes.items()
        ],
        options.split_size,
    )
    jobs = {}
    for output in outputs:
        source = model.sources[output.name]
        copied = output.type == source.type
        share = Share(output, unchanged, 0, output.nbytes, copied)
        jobs[output.name] = Job(source, (share,), 1, source.shape[0])
    return TensorPlan(outputs, jobs, {}, outputs[-1].shard + 1 if outputs else 1)
