"""How much divergence each type of each tensor costs, measured."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from pestle.progress import Progress, task
from pestle.quantization.budget.choice import Candidate, TensorCandidates
from pestle.quantization.budget.distortion import (
    Distortion,
    ErrorWeights,
    Floats,
    distortions,
    matrices_of,
    rounded,
)
from pestle.quantization.budget.groups import MAX_PROBES, groups
from pestle.quantization.budget.probing import Probe
from pestle.quantization.importance import Importance
from pestle.tensors.source_tensor import StoredTensor

_MARGIN: Final = 0.25
"""Bits a weight by which probes stay below the target: what will be chosen is about as coarse."""

_LEAST_ERROR: Final = 1e-3
"""Of a probe, compared with that of the worst type."""


class Importances(Protocol):
    """What of an `ImportanceMatrix` is needed."""

    def importance(self, name: str, columns: int = 0) -> Floats | None:
        """float32 [n_matrices, columns]; None where nothing is known of a tensor."""


@dataclass(frozen=True)
class Sensitivity:
    """Some tensors that were rounded together: `divergence` in nats for `error`, squared."""

    tensors: tuple[str, ...]
    types: tuple[str, ...]
    error: float
    divergence: float


@dataclass(frozen=True)
class Sensitivities:
    """What a choice is made from. digest: sha256 of all that was measured, in hexadecimal."""

    tensors: tuple[TensorCandidates, ...]
    measured: tuple[Sensitivity, ...]
    n_tokens: int
    digest: str


def measure(
    path: Path,
    names: Sequence[str],
    bits: float,
    *,
    text: str,
    importance: Importances | None = None,
    most_probes: int = MAX_PROBES,
    threads: int = 0,
    memory: int | None = None,
    progress: Progress | None = None,
) -> Sensitivities:
    """Measure what the types of the tensors `names` cost the model in the GGUF file `path`.

    The file has float weights and is changed while this runs: it must be a copy. bits: about how
    many a weight shall have. text: what is read. importance: what the quantizers will be told.

    Groups of tensors (`groups`) are rounded one after the other, and the divergence from the model
    as it was is measured. It is taken to grow with the squared error of the tensors' products,
    and that of several tensors to add up, which holds while it is small. Raises MemoryLimitError
    where the model does not fit into memory, and what running it raises.
    """
    probe = Probe(path, text, threads=threads, memory=memory)
    tensors = probe.tensors
    weights = {
        name: error_weights(tensors[name], probe.sums.get(name), probe.n_tokens, importance)
        for name in names
    }
    by_group = groups(names, most_probes)
    found: dict[str, list[Distortion]] = {}
    measured = []
    total = sum(tensors[name].nbytes for name in names)
    with task(progress, f"Measuring {len(by_group)} groups of tensors", total) as advance:
        for group in by_group:
            replaced, kinds, error = {}, [], 0.0
            for name in group:
                matrices = matrices_of(path, tensors[name])
                found[name] = distortions(matrices, weights[name], threads=threads)
                coarse = probe_type(found[name], tensors[name], bits)
                replaced[name] = rounded(
                    coarse.type, matrices, weights[name].quantizing, threads=threads
                )
                kinds.append(coarse.type)
                error += coarse.error
            nats = probe.divergence(replaced)
            measured.append(Sensitivity(group, tuple(kinds), error, nats))
            advance(sum(tensors[name].nbytes for name in group))
    return Sensitivities(
        tuple(_choosable(found, measured)),
        tuple(measured),
        probe.n_tokens,
        _digest(found, measured),
    )


def error_weights(
    tensor: StoredTensor, sums: Importance | None, n_tokens: int, told: Importances | None
) -> ErrorWeights:
    """How a tensor's columns count. sums: what it has read of `n_tokens`; None: all count alike."""
    *more, _, columns = tensor.shape
    shape = (int(np.prod(more)), columns)
    quantizing = told.importance(tensor.name, columns) if told is not None else None
    if quantizing is not None:
        quantizing = np.ascontiguousarray(np.broadcast_to(quantizing, shape))
    measuring: npt.NDArray[np.float64] = np.ones(shape)
    if sums is not None and sums.counts.any():
        # An expert that was not needed counts as if one token in all of the text had come to it.
        mean = sums.sums.sum(axis=0, dtype=np.float64) / sums.counts.sum(dtype=np.float64)
        rows = np.where(sums.counts[:, None] > 0, sums.sums.astype(np.float64), mean)
        measuring = np.broadcast_to(rows / n_tokens, shape)
    return ErrorWeights(quantizing, measuring)


def probe_type(found: Sequence[Distortion], tensor: StoredTensor, bits: float) -> Distortion:
    """What a probe rounds a tensor to: the best type that has less than `bits`, or the smallest.

    But none that changes next to nothing: some weights have been what a type holds exactly.
    """
    n = int(np.prod(tensor.shape))
    least = _LEAST_ERROR * max(d.error for d in found)
    small = [d for d in found if 8 * d.nbytes <= (bits - _MARGIN) * n and d.error >= least]
    if small:
        return min(small, key=lambda d: (d.error, d.nbytes, d.type))
    return min(found, key=lambda d: (d.nbytes, d.error, d.type))


def _choosable(
    found: Mapping[str, Sequence[Distortion]], measured: Sequence[Sensitivity]
) -> list[TensorCandidates]:
    out = []
    for group in measured:
        per_error = group.divergence / group.error if group.error > 0 else 0.0
        for name in group.tensors:
            candidates = [Candidate(of.type, of.nbytes, per_error * of.error) for of in found[name]]
            out.append(TensorCandidates(name, tuple(candidates)))
    return out


def _digest(found: Mapping[str, Sequence[Distortion]], measured: Sequence[Sensitivity]) -> str:
    data: dict[str, Any] = {
        "measured": [[m.tensors, m.types, m.error, m.divergence] for m in measured],
        "errors": {name: [[d.type, d.error] for d in of] for name, of in found.items()},
    }
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
