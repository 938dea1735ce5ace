"""What becomes of a checkpoint's tensors: their names, shapes, types and places in the new file."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pestle.conversion.options import Options
from pestle.conversion.types import stored_types
from pestle.errors import FormatError
from pestle.huggingface import Checkpoint, source_of, value_names
from pestle.huggingface.metadata import rope_divisors
from pestle.huggingface.names import NameMap, Tensor
from pestle.quantization import ModelFacts
from pestle.tensors.plan import Job, Output, Share, TensorPlan, placed
from pestle.tensors.source import FP8_BLOCK, Source, StoredTensor
from pestle.tensors.types import stored_bytes


def plan_tensors(
    checkpoint: Checkpoint,
    names: NameMap,
    options: Options,
    model: ModelFacts,
    *,
    n_vocab: int,
) -> TensorPlan:
    """Decide every output's type, shape and place.

    `n_vocab`: rows of the embedding that are kept. FormatError: a tensor is unknown, missing or of
    a shape that does not go together with the config. Otherwise raises as `stored_types`.
    """
    tensors = _gguf_tensors(checkpoint, names)
    sources = {
        part.source: source_of(part.source, checkpoint.tensors)
        for tensor in tensors
        for part in tensor.parts
    }
    constants: dict[str, bytes] = {}
    shapes = {t.name: _shape(checkpoint, t, sources, n_vocab) for t in tensors}
    now = {t.name: sources[t.parts[0].source].type for t in tensors}
    types = stored_types(shapes, now, options, model)
    outputs = [
        Output(name, types[name], shape, stored_bytes(types[name], shape))
        for name, shape in shapes.items()
    ]
    if (divisors := rope_divisors(checkpoint.config)) is not None:
        name = "rope_freqs.weight"
        constants[name] = divisors.astype("<f4").tobytes()
        outputs.append(Output(name, "F32", divisors.shape, divisors.nbytes))
    outputs = list(placed(sorted(outputs, key=_order), options.split_size))
    by_name = {output.name: output for output in outputs}
    shares: dict[str, list[Share]] = {}
    for tensor in tensors:
        output = by_name[tensor.name]
        size = output.nbytes // len(tensor.parts)
        for n, part in enumerate(tensor.parts):
            share = Share(output, part.transform, n * size, size)
            shares.setdefault(part.source, []).append(share)
    jobs = {name: _job(checkpoint, sources[name], found) for name, found in shares.items()}
    return TensorPlan(tuple(outputs), jobs, constants, outputs[-1].shard + 1)


def _gguf_tensors(checkpoint: Checkpoint, names: NameMap) -> list[Tensor]:
    try:
        return names.tensors(value_names(checkpoint.tensors), checkpoint.config)
    except KeyError as error:
        unknown: StoredTensor = checkpoint.tensors[error.args[0]]
        raise FormatError(f"{unknown} is not part of {names.architecture}") from error
    except FormatError as error:
        raise FormatError(f"{checkpoint.folder}: {error}") from error


def _shape(
    checkpoint: Checkpoint, tensor: Tensor, sources: Mapping[str, Source], n_vocab: int
) -> tuple[int, ...]:
    """Of GGUF's tensor, as in numpy; FormatError where its parts do not go together."""
    shapes = {}
    for part in tensor.parts:
        source = sources[part.source]
        try:
            shapes[part.source] = part.transform.shape(source.shape, checkpoint.config)
        except (ValueError, IndexError) as error:
            raise FormatError(f"{source.numbers}: {error}") from error
    first, shape = next(iter(shapes.items()))
    for name, other in shapes.items():
        if other != shape:
            raise FormatError(
                f"{sources[name].numbers} has the shape {list(sources[name].shape)}, "
                f"`{first}` {list(sources[first].shape)}"
            )
    if tensor.stacked:
        shape = (len(tensor.parts), *shape)
    if tensor.name == "token_embd.weight":
        if shape[0] < n_vocab:
            raise FormatError(f"{sources[first].numbers} has {shape[0]} rows, expected {n_vocab}")
        shape = (n_vocab, *shape[1:])
    return shape


def _order(output: Output) -> tuple[int, int, str]:
    """The order in which a forward pass meets them."""
    head, _, rest = output.name.partition(".")
    if head == "blk":
        return 1, int(rest.partition(".")[0]), output.name
    return (2 if head.startswith("output") else 0), 0, output.name


def _job(checkpoint: Checkpoint, source: Source, shares: list[Share]) -> Job:
    groups = [share.transform.group(source.shape[0], checkpoint.config) for share in shares]
    if source.encoding == "fp8":
        groups.append(FP8_BLOCK)  # a piece begins with a scale
    group = min(math.lcm(*groups), source.shape[0])
    rows = source.shape[0]
    if shares[0].output.name == "token_embd.weight":
        rows = shares[0].output.shape[0]
    return Job(source, tuple(shares), group, rows)
