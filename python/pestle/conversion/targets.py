"""Files of a wanted size: for every tensor the type with which the model loses least."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from pestle import files
from pestle.conversion.execution import carry_out
from pestle.conversion.options import ConversionOptions
from pestle.conversion.plan import ConversionPlan, outline
from pestle.conversion.room import within
from pestle.errors import ArgumentError, Error, MemoryLimitError, UnsupportedError
from pestle.gguf.header import aligned
from pestle.options.checks import check_bool, check_number, check_size, mistyped
from pestle.progress import Progress
from pestle.quantization import is_quantized
from pestle.quantization.budget import (
    Candidate,
    Importances,
    TensorCandidates,
    assume,
    choose,
    measure,
    probing_options,
)
from pestle.quantization.importance import calibration_text
from pestle.tensors.writing import writing
from pestle.types import FLOATS, TYPES

_MOST_BITS: Final = 32
_TRIES: Final = 8
"""The header names the types, so its size follows the choice, and the choice its size."""

PlanMaker = Callable[[ConversionOptions], ConversionPlan]
"""Of one source, which it does not read again."""


@dataclass(frozen=True, init=False)
class Target:
    """How large a file may be: either `size`, or `bpw` bits of its tensors for each weight.

    Attributes:
        size: Bytes; it may be given as a text such as "4GB".
        bpw: Bits of the tensors for each weight.
        text: What the model reads while its sensitivities are measured; None: a text of Pestle's
            own.
        measured: Whether they are; if not, typical ones are assumed, and the model is not run.

    Measuring puts the model on the disk, beside the output and in BF16, and runs it in memory: each
    takes 2 bytes a weight. The model reads up to 2,048 tokens once as it is and up to 64 times
    (`pestle.quantization.budget.groups`) with some tensors rounded. Raises ArgumentError: not one
    of both is given, or a text that nothing is measured on; ArgumentTypeError.
    """

    size: int
    bpw: float
    text: str | None
    measured: bool

    def __init__(
        self,
        size: int | str = 0,
        bpw: float = 0.0,
        text: str | None = None,
        measured: bool = True,
    ) -> None:
        if not isinstance(text, (str, type(None))):
            raise mistyped("text", text, "a string")
        if text is not None and not check_bool("measured", measured):
            raise ArgumentError("text has no use with measured=False")
        given = 0 if size == 0 else check_size("size", size)
        bits = check_number("bpw", bpw, f"in [0, {_MOST_BITS})", lambda b: 0 <= b < _MOST_BITS)
        if (given > 0) == (bits > 0):
            raise ArgumentError(f"give a target either as size or as bpw, not {size} and {bpw:g}")
        values = {"size": given, "bpw": bits, "text": text, "measured": measured}
        for name, value in values.items():
            object.__setattr__(self, name, value)  # the class is frozen for everyone else

    def __str__(self) -> str:
        """As default names of files say it."""
        return f"{self.bpw:g}bpw" if self.bpw else f"{self.size}B"


def targeted(
    make_plan: PlanMaker,
    options: ConversionOptions,
    target: Target,
    folder: Path,
    *,
    importance: Importances | None = None,
    threads: int = 0,
    memory: int | None = None,
    progress: Progress | None = None,
) -> ConversionPlan:
    """The conversion whose tensors have the types that lose least within `target`.

    `options.tensor_types` hold for the tensors that they match. MXFP4 stays as it is, unless that
    is allowed to change. folder: where the model is put in BF16 meanwhile; it is deleted again.
    memory: bytes that the process may take; experts that do not fit are streamed.
    Error: nothing fits the target; MemoryLimitError: `memory` does not suffice;
    UnsupportedError: the model has to be run to be measured, and Pestle does not run it.
    """
    first = make_plan(options)
    names = _choosable(first, options)
    if not names:
        raise Error("no tensor of this model is left whose type could be chosen")
    text = calibration_text() if target.measured and target.text is None else target.text
    shapes = {o.name: o.shape for o in first.tensors.outputs if o.name in names}
    if text is None:
        found = assume(shapes)
    else:
        bits = target.bpw or 8 * target.size / _weights(first)
        with _floats(make_plan, folder, threads, memory, progress) as scratch:
            found = measure(scratch, list(shapes), bits, text=text, importance=importance,
                            threads=threads, memory=memory, progress=progress)  # fmt: skip
    options = replace(
        options,
        target_size=target.size,
        target_bpw=target.bpw,
        calibration=hashlib.sha256(text.encode()).hexdigest() if text is not None else None,
        sensitivities=found.digest,
    )
    fixed = [output for output in first.tensors.outputs if output.name not in names]
    if not target.size:
        budget = int(target.bpw * _weights(first) / 8) - sum(output.nbytes for output in fixed)
        return make_plan(_with_types(options, choose(found.tensors, budget)))
    tensors = [_in_a_file(tensor) for tensor in found.tensors]
    budget = target.size - sum(aligned(output.nbytes) for output in fixed)
    for _ in range(_TRIES):
        chosen = choose(tensors, budget)
        plan = make_plan(_with_types(options, chosen))
        excess = sum(plan.sizes(plan.headers(plan.manifest))) - target.size
        if excess <= 0:
            return plan
        budget = sum(candidate.nbytes for candidate in chosen.values()) - excess
    raise Error(f"no choice of types was found to take {target.size:,} bytes with its header")


def _choosable(plan: ConversionPlan, options: ConversionOptions) -> set[str]:
    """The tensors that are matrices of floats, and that no rule speaks of."""
    found = set()
    for job in plan.tensors.jobs.values():
        for share in job.shares:
            output = share.output
            free = job.source.type in (*FLOATS, "FP8") or options.allow_requantize
            ruled = any(rule.pattern.search(output.name) for rule in options.rules)
            if free and not ruled and is_quantized(output.name, output.shape):
                found.add(output.name)
    return found


def _weights(plan: ConversionPlan) -> int:
    return sum(math.prod(output.shape) for output in plan.tensors.outputs)


@contextmanager
def _floats(
    make_plan: PlanMaker,
    folder: Path,
    threads: int,
    memory: int | None,
    progress: Progress | None,
) -> Iterator[Path]:
    """A file in a folder within `folder` with the model in BF16, for as long as it is needed."""
    with ExitStack() as stack:
        with writing(folder):
            inner = stack.enter_context(files.scratch_folder(folder))
        scratch = inner / "measured.gguf"
        floats = make_plan(ConversionOptions("BF16", allow_requantize=True))
        floats = replace(floats, manifest=replace(floats.manifest, certificate=None))
        try:
            with outline(floats, scratch) as file:
                probing_options(file, threads, memory)  # refused before all of it is written
            made = carry_out(within(floats, memory), scratch, threads=threads, progress=progress)
            if made.refusal is not None:
                raise UnsupportedError(
                    f"{made.refusal}: so nothing can be measured; measured=False "
                    "chooses by what is typical"
                )
            yield scratch
        except MemoryLimitError as error:
            name = f"{floats.source.path} in BF16"
            raise MemoryLimitError(str(error).replace(str(scratch), name)) from error


def _in_a_file(tensor: TensorCandidates) -> TensorCandidates:
    """With the bytes that candidates take in a file, where tensors begin at whole alignments."""
    candidates = [replace(c, nbytes=aligned(c.nbytes)) for c in tensor.candidates]
    return replace(tensor, candidates=tuple(candidates))


def _with_types(options: ConversionOptions, chosen: Mapping[str, Candidate]) -> ConversionOptions:
    return replace(
        options,
        to=_called(_most(list(chosen.values()))),
        chosen_types={name: candidate.type for name, candidate in chosen.items()},
    )


def _most(chosen: Sequence[Candidate]) -> str:
    """The type that takes most bytes; of equals, the first by name."""
    sizes: dict[str, int] = {}
    for candidate in chosen:
        sizes[candidate.type] = sizes.get(candidate.type, 0) + candidate.nbytes
    return min(sizes, key=lambda kind: (-sizes[kind], kind))


def _called(kind: str) -> str:
    """What a file is called that has most of its weights in a type; Q8_0 for floats."""
    if kind in FLOATS:
        return "Q8_0"
    names = TYPES[kind].mixtures
    return f"{kind}_M" if f"{kind}_M" in names else next(iter(names))
