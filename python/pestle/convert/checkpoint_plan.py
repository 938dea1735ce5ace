"""What a conversion will write, all of it decided from headers before a single weight is read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from pestle.blocks import ModelFacts
from pestle.convert.checkpoint import Checkpoint, Source, StoredTensor, source_of, value_names
from pestle.convert.checkpoint.source import FP8_BLOCK
from pestle.convert.metadata import rope_divisors
from pestle.convert.names import NameMap, Tensor
from pestle.convert.names.transforms import Transform
from pestle.convert.types import stored_bytes, stored_types
from pestle.errors import FormatError
from pestle.gguf_header import aligned

PIECE_BYTES = 16 << 20
"""Of the checkpoint's bytes at once, or a single group of a transform, where that is larger."""


@dataclass(frozen=True)
class Output:
    """A tensor of the new file. `shape`: as in numpy; `offset`: within its shard's data."""

    name: str
    type: str
    shape: tuple[int, ...]
    nbytes: int
    shard: int = 0
    offset: int = 0


@dataclass(frozen=True)
class Share:
    """What one source gives to one output: its part, which begins at byte `start` there."""

    output: Output
    transform: Transform
    start: int
    nbytes: int


@dataclass(frozen=True)
class Job:
    """One source, and what becomes of it."""

    source: Source
    shares: tuple[Share, ...]
    group: int
    """Elements of the first axis that stay together."""
    rows: int
    """Elements of the first axis that are used: all but for an embedding that is cut."""

    def pieces(self) -> Iterator[tuple[int, int]]:
        """Ranges of the first axis, one after the other."""
        per_element = self.source.numbers.nbytes // self.source.shape[0]
        step = max(1, PIECE_BYTES // (self.group * per_element)) * self.group
        for begin in range(0, self.rows, step):
            yield begin, min(begin + step, self.rows)


@dataclass(frozen=True)
class TensorPlan:
    """`jobs`: by the name of the source's numbers. `constants`: outputs that are computed."""

    outputs: tuple[Output, ...]
    jobs: Mapping[str, Job]
    constants: Mapping[str, bytes]
    n_shards: int


def plan_tensors(
    checkpoint: Checkpoint,
    names: NameMap,
    mixture: str,
    model: ModelFacts,
    *,
    n_vocab: int,
    split_size: int = 0,
) -> TensorPlan:
    """Decide every output's type, shape and place.

    `mixture`: what matrices become. `n_vocab`: rows of the embedding that are kept. `split_size`:
    bytes that a shard's data may have; 0 for one file. FormatError: a tensor is unknown, missing
    or of a shape that does not go together with the config.
    """
    tensors = _gguf_tensors(checkpoint, names)
    sources = {
        part.source: source_of(part.source, checkpoint.tensors)
        for tensor in tensors
        for part in tensor.parts
    }
    constants: dict[str, bytes] = {}
    shapes = {t.name: _shape(checkpoint, t, sources, n_vocab) for t in tensors}
    mxfp4 = [t.name for t in tensors if sources[t.parts[0].source].encoding == "mxfp4"]
    types = stored_types(shapes, mxfp4, mixture, model)
    outputs = [
        Output(name, types[name], shape, stored_bytes(types[name], shape))
        for name, shape in shapes.items()
    ]
    if (divisors := rope_divisors(checkpoint.config)) is not None:
        name = "rope_freqs.weight"
        constants[name] = divisors.astype("<f4").tobytes()
        outputs.append(Output(name, "F32", divisors.shape, divisors.nbytes))
    placed = _placed(sorted(outputs, key=_order), split_size)
    by_name = {output.name: output for output in placed}
    shares: dict[str, list[Share]] = {}
    for tensor in tensors:
        output = by_name[tensor.name]
        size = output.nbytes // len(tensor.parts)
        for n, part in enumerate(tensor.parts):
            share = Share(output, part.transform, n * size, size)
            shares.setdefault(part.source, []).append(share)
    jobs = {name: _job(checkpoint, sources[name], found) for name, found in shares.items()}
    return TensorPlan(placed, jobs, constants, placed[-1].shard + 1)


def _gguf_tensors(checkpoint: Checkpoint, names: NameMap) -> list[Tensor]:
    try:
        return names.tensors(value_names(checkpoint.tensors), checkpoint.config)
    except KeyError as error:
        unknown: StoredTensor = checkpoint.tensors[error.args[0]]
        raise FormatError(f"{unknown} is no part of {names.architecture}") from error
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


def _placed(outputs: list[Output], split_size: int) -> tuple[Output, ...]:
    placed = []
    shard = offset = 0
    for output in outputs:
        if split_size and offset and offset + output.nbytes > split_size:
            shard, offset = shard + 1, 0
        placed.append(replace(output, shard=shard, offset=offset))
        offset = aligned(offset + output.nbytes)
    return tuple(placed)


def _job(checkpoint: Checkpoint, source: Source, shares: list[Share]) -> Job:
    groups = [share.transform.group(source.shape[0], checkpoint.config) for share in shares]
    if source.encoding == "fp8":
        groups.append(FP8_BLOCK)  # a piece begins with a scale
    group = min(math.lcm(*groups), source.shape[0])
    rows = source.shape[0]
    if shares[0].output.name == "token_embd.weight":
        rows = shares[0].output.shape[0]
    return Job(source, tuple(shares), group, rows)
