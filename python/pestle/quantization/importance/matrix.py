"""How much each column of each weight matters: the mean squares of what it is multiplied with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pestle.errors import FormatError

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Importance:
    """What the matrices of one tensor have read.

    sums: float32 [n_matrices, columns], of squared inputs. counts: float32 [n_matrices], the rows
    that went into them. A mixture's tensor has a matrix for each expert.
    """

    sums: Floats
    counts: Floats

    @property
    def unseen(self) -> tuple[int, ...]:
        """The matrices that have read nothing."""
        return tuple(np.flatnonzero(self.counts == 0).tolist())


@dataclass(frozen=True)
class ImportanceMatrix:
    """Importance by the name of a model's tensor, as `blk.0.attn_q.weight`.

    datasets: names of the texts. chunks, chunk_size: how many pieces of how many tokens were read;
    0 where the file does not say. digest: sha256 of the file, in hexadecimal. source: what errors
    call it.
    """

    tensors: Mapping[str, Importance]
    datasets: tuple[str, ...] = ()
    chunks: int = 0
    chunk_size: int = 0
    digest: str = ""
    source: str = "the importance matrix"

    def importance(self, name: str, columns: int = 0) -> Floats | None:
        """Mean squares, float32 [n_matrices, columns]; None where nothing is known of the tensor.

        Experts that have read nothing get the mean of the others: `unseen` names them.
        `columns`: of the tensor's rows, where the caller knows them. Older files, and llama.cpp's
        of latent attention, hold several matrices as one. FormatError where they do not divide.
        """
        found = self.tensors.get(name)
        if found is None or not found.counts.any():
            return None
        seen = found.counts > 0
        means = np.empty_like(found.sums)
        means[seen] = found.sums[seen] / found.counts[seen, None]
        means[~seen] = means[seen].mean(axis=0, dtype=np.float64)
        if columns:
            if means.shape[1] % columns or (len(means) > 1 and means.shape[1] != columns):
                raise FormatError(
                    f"{self.source}: `{name}` has {means.shape[1]} columns, expected {columns}"
                )
            means = means.reshape(-1, columns)
        return means

    @property
    def unseen(self) -> dict[str, tuple[int, ...]]:
        """The matrices without rows, by tensor: those of which `importance` only has a mean."""
        return {name: found.unseen for name, found in self.tensors.items() if found.unseen}
