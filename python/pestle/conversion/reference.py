"""A checkpoint as what other files are compared with: run in full precision, a layer at a time.

Neither memory nor disk ever holds more of it than one layer, or the embedding or the output: each
is converted into a small GGUF file, loaded, run over all texts and deleted. Every number keeps the
precision it has in the checkpoint. FP8 and MXFP4 are widened, exactly, to floats: what the source
says, and not what a kernel for narrow types makes of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from pestle import files
from pestle._core import Model
from pestle.conversion.options import Options
from pestle.conversion.partial import writing
from pestle.conversion.preparation import prepare
from pestle.conversion.prepared import Prepared, entry
from pestle.gguf.header import aligned, header_bytes
from pestle.progress import Progress
from pestle.quality import LogitSource, Part, StreamedModel, Window, matrix_types, through_layers
from pestle.tensors.pipeline import encode_piece
from pestle.tensors.plan import Job, Output, Share, TensorPlan
from pestle.tensors.reading import Files, read_job
from pestle.tensors.transforms import Config
from pestle.tensors.types import stored_bytes
from pestle.tokenizer import Metadata

_EXACT: Final = {"F32": "F32", "F16": "F16", "BF16": "BF16", "fp8": "F32", "mxfp4": "BF16"}
"""The narrowest float type that holds every number of a source."""


class CheckpointSubject:
    """A checkpoint's folder as a `Subject` of evaluation."""

    def __init__(self, source: str | os.PathLike[str], *, tokenizer_pre: str | None = None) -> None:
        """`tokenizer_pre`: as of `convert`. Raises as `prepare` does."""
        folder = Path(source)
        self._prepared = prepare(folder, Options("F32", tokenizer_pre=tokenizer_pre))
        self._plan = exact(self._prepared.plan)
        self.name = folder.resolve().name
        self.whole_bytes = 0
        self.metadata: Metadata = dict(self._prepared.keys)
        self.types = matrix_types((o.type, o.shape) for o in self._plan.outputs)

    @contextmanager
    def part(self, part: Part, threads: int) -> Iterator[Model]:
        """That part, from a file that is there in the block only."""
        with files.scratch_folder() as folder:
            path = folder / f"{self.name}-{part}.gguf"
            _write(self._prepared, _outputs(self._plan, part), self._plan, path, threads)
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


def exact(plan: TensorPlan) -> TensorPlan:
    """The plan with types that hold every number of the source.

    Vectors stay F32: to some of them one is added.
    """
    kinds: dict[str, set[str]] = {}
    for job in plan.jobs.values():
        for share in job.shares:
            kinds.setdefault(share.output.name, set()).add(_EXACT[job.source.encoding])
    outputs: dict[str, Output] = {}
    for output in plan.outputs:
        found = kinds.get(output.name, {"F32"})
        kind = found.pop() if len(found) == 1 and len(output.shape) > 1 else "F32"
        size = stored_bytes(kind, output.shape)
        outputs[output.name] = replace(output, type=kind, nbytes=size)

    def moved(share: Share) -> Share:
        old, new = share.output, outputs[share.output.name]
        start, size = (n * new.nbytes // old.nbytes for n in (share.start, share.nbytes))
        return Share(new, share.transform, start, size)

    jobs = {
        name: replace(job, shares=tuple(map(moved, job.shares))) for name, job in plan.jobs.items()
    }
    return replace(plan, outputs=tuple(outputs.values()), jobs=jobs)


def _outputs(plan: TensorPlan, part: Part) -> list[Output]:
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


def _belongs(name: str, part: Part, names: set[str]) -> bool:
    match name.split(".")[0]:
        case "blk":
            return name.split(".")[1] == str(part)
        case "token_embd":
            return part == "embedding" or (part == "output" and "output.weight" not in names)
        case "output" | "output_norm":
            return part == "output"
        case _:  # what all layers share: rope_freqs
            return True


def _write(
    prepared: Prepared, outputs: list[Output], plan: TensorPlan, path: Path, threads: int
) -> None:
    config: Config = prepared.source.config
    by_name = {output.name: output for output in outputs}
    keys = {key: v for key, v in prepared.keys.items() if not key.startswith("tokenizer.")}
    header = header_bytes(keys, map(entry, outputs))
    source = Files.of(prepared.source.files)
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
                    for output, start, data in encode_piece(piece, config, threads):
                        stream.seek(len(header) + by_name[output.name].offset + start)
                        stream.write(data.data)
    finally:
        source.close()


def _in_order(plan: TensorPlan, outputs: Mapping[str, Output]) -> list[Job]:
    """The jobs that make these tensors, in the order of the source's bytes."""
    jobs = [j for j in plan.jobs.values() if any(s.output.name in outputs for s in j.shares)]
    return sorted(jobs, key=lambda j: (str(j.source.numbers.path), j.source.numbers.offset))
