"""How much of a model a calibration text has reached."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from pestle.quantization import Shapes, is_quantized
from pestle.quantization.importance.matrix import ImportanceMatrix

FEW_ROWS = 32
"""Of an expert that has read fewer rows than this, the importance is a guess."""


@dataclass(frozen=True)
class ExpertCoverage:
    """The routed experts of one layer. few: how many have read fewer rows than asked for."""

    layer: int
    n_experts: int
    few: int
    unseen: int
    fewest_rows: int
    median_rows: int


@dataclass(frozen=True)
class Coverage:
    """experts: of each layer that has some. missing: the model's matrices without importance."""

    experts: tuple[ExpertCoverage, ...]
    missing: tuple[str, ...]
    few_rows: int


def coverage(matrix: ImportanceMatrix, shapes: Shapes, *, few_rows: int = FEW_ROWS) -> Coverage:
    """What `matrix` knows of the tensors of a model.

    An embedding that is not the output layer as well is looked up, not multiplied: it has no
    importance, and is not missing.
    """
    experts = []
    for name, found in matrix.tensors.items():
        if match := re.fullmatch(r"blk\.(\d+)\.ffn_down_exps\.weight", name):
            few, unseen = (int((found.counts < n).sum()) for n in (few_rows, 1))
            rows = int(found.counts.min()), int(np.median(found.counts))
            experts.append(ExpertCoverage(int(match[1]), len(found.counts), few, unseen, *rows))
    wanted = [name for name, shape in shapes.items() if is_quantized(name, shape)]
    if "output.weight" in wanted:
        wanted.remove("token_embd.weight")
    missing = tuple(name for name in wanted if matrix.importance(name) is None)
    return Coverage(tuple(sorted(experts, key=lambda e: e.layer)), missing, few_rows)
