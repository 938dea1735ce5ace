"""Importance on its way to the quantizers: of each tensor, checked against its shape."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, Protocol

import numpy as np

from pestle.errors import ArgumentTypeError, FormatError, shown
from pestle.quantization.importance import read_imatrix
from pestle.tensors.encode import Floats, TensorImportance
from pestle.tensors.plan import Output
from pestle.types import FLOATS

_UNWEIGHTED: Final = (*FLOATS, "MXFP4")
"""Types that importance changes nothing of."""
KEPT: Final = 8
"""Tensors whose importance is kept: the experts of a layer take turns."""


class ImportanceSource(Protocol):
    """What `pestle.quantization.importance.read_imatrix` gives."""

    @property
    def digest(self) -> str:
        """sha256 of the file."""

    @property
    def source(self) -> str:
        """What errors call it."""

    def importance(self, name: str, columns: int = 0) -> Floats | None:
        """float32 [n_matrices, columns], or None where nothing is known of a tensor."""


def opened(imatrix: str | os.PathLike[str] | ImportanceSource | None) -> ImportanceSource | None:
    """An importance matrix, read where `imatrix` says where it is. Raises as `read_imatrix`."""
    if isinstance(imatrix, (str, os.PathLike)):
        return read_imatrix(imatrix)
    if imatrix is not None and not hasattr(imatrix, "digest"):
        raise ArgumentTypeError(f"imatrix is {shown(imatrix)}, expected a file or what was read")
    return imatrix


class PlanImportance:
    """The importance of a plan's tensors."""

    def __init__(self, matrix: ImportanceSource, outputs: Sequence[Output]) -> None:
        """FormatError: it is of another model, for it knows no tensor or one of another shape."""
        self._matrix = matrix
        self._cached = lru_cache(KEPT)(self._read)
        weighted = [o for o in outputs if o.type not in _UNWEIGHTED]
        self.missing = tuple(o.name for o in weighted if self._read(o) is None)
        """Tensors that would be weighted, if anything were known of them."""
        if weighted and len(self.missing) == len(weighted):
            raise FormatError(
                f"{matrix.source}: knows none of the {len(weighted)} tensors that are quantized: "
                "it is of another model"
            )

    def of(self, output: Output) -> TensorImportance | None:
        """None: all columns count alike."""
        found = None if output.type in _UNWEIGHTED else self._cached(output)
        return None if found is None else TensorImportance(found, output.shape[-2])

    def _read(self, output: Output) -> Floats | None:
        columns, n_matrices = output.shape[-1], math.prod(output.shape[:-2])
        found = self._matrix.importance(output.name, columns)
        if found is None:
            return None
        if found.shape not in ((n_matrices, columns), (1, columns)):
            shown = " x ".join(map(str, found.shape))
            raise FormatError(
                f"{self._matrix.source}: `{output.name}` has {shown} numbers, expected "
                f"{n_matrices} x {columns}"
            )
        return np.broadcast_to(found, (n_matrices, columns))
