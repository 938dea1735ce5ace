"""What a conversion will write, all of it decided from headers before a single weight is read."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pestle.gguf.header import HeaderTensor, aligned
from pestle.tensors.model import ModelTensor, SourceModel
from pestle.tensors.source_tensor import FP8_BLOCK, SourceTensor
from pestle.tensors.transforms import Transform
from pestle.tensors.type_changes import is_requantized, stored_bytes
from pestle.types import TYPES

PIECE_BYTES = 16 << 20
"""Of the source's bytes at once, or a single group of a transform, where that is larger."""
PIECE_VALUES = 16 << 20
"""The same of its numbers, which are floats on their way."""


@dataclass(frozen=True)
class Output:
    """A tensor of the new file. `shape`: as in numpy; `offset`: within its shard's data."""

    name: str
    type: str
    shape: tuple[int, ...]
    nbytes: int
    shard: int = 0
    offset: int = 0

    def header(self) -> HeaderTensor:
        """As a file's list of tensors has it."""
        return HeaderTensor(self.name, self.shape, TYPES[self.type].id, self.offset)


@dataclass(frozen=True)
class TensorShare:
    """What one source gives to one output: its part, which begins at byte `start` there."""

    output: Output
    transform: Transform
    start: int
    nbytes: int
    copied: bool = False
    """Whether its bytes are the source's."""


@dataclass(frozen=True)
class Job:
    """One source, and what becomes of it."""

    source: SourceTensor
    shares: tuple[TensorShare, ...]
    group: int
    """Elements of the first axis that stay together."""
    rows: int
    """Elements of the first axis that are used: all but for an embedding that is cut."""
    most: int | None = None
    """Bytes, and numbers, of a piece, where that is to be less than usual."""

    def pieces(self) -> Iterator[tuple[int, int]]:
        """Ranges of the first axis, one after the other."""
        n_bytes = self.source.numbers.nbytes // self.source.shape[0]
        n_values = math.prod(self.source.shape[1:])
        most_bytes, most_values = PIECE_BYTES, PIECE_VALUES
        if self.most is not None:
            most_bytes, most_values = min(self.most, most_bytes), min(self.most, most_values)
        elements = min(most_bytes // n_bytes, most_values // n_values)
        step = max(1, elements // self.group) * self.group
        for begin in range(0, self.rows, step):
            yield begin, min(begin + step, self.rows)


@dataclass(frozen=True)
class TensorPlan:
    """`jobs`: by the name of the source's numbers. `constants`: outputs that are computed."""

    outputs: tuple[Output, ...]
    jobs: Mapping[str, Job]
    constants: Mapping[str, bytes]
    n_shards: int

    def in_pieces(self, most: int) -> TensorPlan:
        """The same in pieces of at most so many bytes and numbers, or a single group each."""
        jobs = {name: replace(job, most=most) for name, job in self.jobs.items()}
        return replace(self, jobs=jobs)

    def requantized(self) -> dict[str, int]:
        """How many tensors of each block format are rounded to another one."""
        now = {
            share.output.name: job.source.type
            for job in self.jobs.values()
            for share in job.shares
            if is_requantized(job.source.type, share.output.type)
        }
        return dict(sorted(Counter(now.values()).items()))


def placed(outputs: Sequence[Output], split_size: int) -> tuple[Output, ...]:
    """The outputs with their places, in their order.

    `split_size`: bytes that a shard's data may have; 0 for one file.
    """
    found = []
    shard = offset = 0
    for output in outputs:
        if split_size and offset and offset + output.nbytes > split_size:
            shard, offset = shard + 1, 0
        found.append(replace(output, shard=shard, offset=offset))
        offset = aligned(offset + output.nbytes)
    return tuple(found)


def plan_tensors(
    model: SourceModel, types: Mapping[str, str], *, split_size: int = 0
) -> TensorPlan:
    """Decide the place of every tensor. `types`: of each, by name."""
    outputs = placed(
        [
            Output(t.name, types[t.name], t.shape, stored_bytes(types[t.name], t.shape))
            for t in model.tensors
        ],
        split_size,
    )
    shares: dict[str, list[TensorShare]] = {}
    sources: dict[str, SourceTensor] = {}
    for tensor, output in zip(model.tensors, outputs, strict=True):
        for share, source in _shares(model, tensor, output):
            sources[source.name] = source
            shares.setdefault(source.name, []).append(share)
    jobs = {name: _job(model, sources[name], found) for name, found in shares.items()}
    n_shards = outputs[-1].shard + 1 if outputs else 1
    return TensorPlan(outputs, jobs, model.constants, n_shards)


def _shares(
    model: SourceModel, tensor: ModelTensor, output: Output
) -> Iterator[tuple[TensorShare, SourceTensor]]:
    size = output.nbytes // max(1, len(tensor.inputs))
    for n, (source, transform) in enumerate(tensor.inputs):
        copied = model.verbatim and output.type == source.type
        yield TensorShare(output, transform, n * size, size, copied), source


def _job(model: SourceModel, source: SourceTensor, shares: list[TensorShare]) -> Job:
    groups = [share.transform.group(source.shape[0], model.config) for share in shares]
    if source.encoding == "fp8":
        groups.append(FP8_BLOCK)  # a piece begins with a scale
    group = min(math.lcm(*groups), source.shape[0])
    rows = source.shape[0]
    if shares[0].output.name == "token_embd.weight":
        rows = shares[0].output.shape[0]
    return Job(source, tuple(shares), group, rows)
