"""A checkpoint as what other files are compared with: run in full precision, a layer at a time.

Neither memory nor disk ever holds more of it than one layer, or the embedding or the output: each
is converted into a small GGUF file, loaded, run over all texts and deleted. Every number keeps the
precision it has in the checkpoint. FP8 and MXFP4 are widened, exactly, to floats: what the source
says, and not what a kernel for narrow types makes of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from pestle import files
from pestle._core import GgufFile, Model
from pestle.gguf.header import aligned, header_bytes
from pestle.progress import Progress
from pestle.quality.logit_sources import LogitSource, ModelPart, StreamedModel, through_layers
from pestle.quality.room import parts_of
from pestle.quality.subject import matrix_types
from pestle.quality.windows import Window
from pestle.tensors.footprint import piece_bytes
from pestle.tensors.model import SourceModel
from pestle.tensors.pipeline import encode_piece
from pestle.tensors.plan import Job, Output, TensorPlan, plan_tensors
from pestle.tensors.reading import Files, read_job
from pestle.tensors.writing import writing
from pestle.tokenizer import Metadata

_EXACT: Final = {"F32": "F32", "F16": "F16", "BF16": "BF16", "fp8": "F32", "mxfp4": "BF16"}
"""The narrowest float type that holds every number of a source."""


class CheckpointSubject:
    """A checkpoint's folder as a `Subject` of evaluation."""

    def __init__(self, source: SourceModel) -> None:
        self._source = source
        self._plan = plan_tensors(source, exact_types(source))
        self.name = source.path.resolve().name
        self.whole_bytes, self.making_bytes = 0, piece_bytes(self._plan)
        self.metadata: Metadata = dict(source.keys)
        self.types = matrix_types((o.type, o.shape) for o in self._plan.outputs)

    @contextmanager
    def outline(self) -> Iterator[GgufFile]:
        """See `Subject`: a file of all of it, which is a hole behind the header."""
        with files.scratch_folder() as folder:
            path = folder / f"{self.name}.gguf"
            outputs = self._plan.outputs
            with writing(path), files.created(path) as stream:
                stream.write(_header(self._source, outputs))
                end = max(o.offset + o.nbytes for o in outputs)
                stream.truncate(stream.tell() + aligned(end))
            yield GgufFile(path)

    def spare_cache(self) -> None:
        """See `Subject`. Its parts are deleted before they are run, and so is what is cached."""

    @contextmanager
    def part(self, part: ModelPart, threads: int) -> Iterator[Model]:
        """That part, from a file that is there in the block only."""
        with files.scratch_folder() as folder:
            path = folder / f"{self.name}-{part}.gguf"
            _write(self._source, _outputs(self._plan, part), self._plan, path, threads)
            model = Model(path, threads=threads, only=part)
            files.remove(path)  # what the system keeps of it in memory goes with it
            yield model

    @contextmanager
    def source(
        self, windows: Sequence[Window], *, threads: int, stream: bool, progress: Progress | None
    ) -> Iterator[LogitSource]:
        """See `Subject`: always layer by layer."""
        hidden = through_layers(self, self.name, windows, threads, progress)
        with self.part("output", threads) as output:
            yield StreamedModel(output, hidden, threads)


def exact_types(source: SourceModel) -> dict[str, str]:
    """For each tensor the narrowest float type that holds every number of its source.

    Vectors are F32: to some of them one is added.
    """
    found = {}
    for tensor in source.tensors:
        kinds = {_EXACT[of.source.encoding] for of in tensor.inputs}
        found[tensor.name] = kinds.pop() if len(kinds) == 1 and len(tensor.shape) > 1 else "F32"
    return found


def _outputs(plan: TensorPlan, part: ModelPart) -> list[Output]:
    """The tensors that a part needs, with their places in a file that has no others."""
    names = {output.name for output in plan.outputs}
    found: list[Output] = []
    offset = 0
    for output in plan.outputs:
        if not _belongs(output.name, part, names):
            continue
        found.append(replace(output, shard=0, offset=offset))
        offset = aligned(offset + output.nbytes)
    return found


def _belongs(name: str, part: ModelPart, names: set[str]) -> bool:
    parts = parts_of(name, tied="output.weight" not in names)
    return not parts or str(part) in parts  # of no part: what all layers share


def _header(model: SourceModel, outputs: Sequence[Output]) -> bytes:
    keys = {key: v for key, v in model.keys.items() if not key.startswith("tokenizer.")}
    return header_bytes(keys, [output.header() for output in outputs])


def _write(
    model: SourceModel, outputs: list[Output], plan: TensorPlan, path: Path, threads: int
) -> None:
    by_name = {output.name: output for output in outputs}
    header = _header(model, outputs)
    source = Files.of(model.files)
    try:
        with writing(path), files.created(path) as stream:
            stream.write(header)
            end = max((o.offset + o.nbytes for o in outputs), default=0)
            stream.truncate(len(header) + aligned(end))
            for name, constant in plan.constants.items():
                stream.seek(len(header) + by_name[name].offset)
                stream.write(constant)
            for job in _in_order(plan, by_name):
                for piece in read_job(source, job):
                    for output, start, data in encode_piece(piece, model.config, threads):
                        stream.seek(len(header) + by_name[output.name].offset + start)
                        stream.write(data.data)
    finally:
        source.close()


def _in_order(plan: TensorPlan, outputs: Mapping[str, Output]) -> list[Job]:
    """The jobs that make these tensors, in the order of the source's bytes."""
    jobs = [j for j in plan.jobs.values() if any(s.output.name in outputs for s in j.shares)]
    return sorted(jobs, key=lambda j: (str(j.source.numbers.path), j.source.numbers.offset))
