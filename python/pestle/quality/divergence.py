"""From logits to what they say of the tokens that follow, and how far two models are apart.

Computed by the core in float64 from float32 logits, with sums in a fixed order: the figures are the
same bits on every machine, with any number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pestle import _core

Logits = npt.NDArray[np.float32]
Tokens = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """Of two models at the same n positions.

    Losses are -ln of the probability of the token that follows, the divergence is the
    Kullback-Leibler divergence of the model from the reference; both in nats, float64 [n].
    """

    reference_loss: Floats
    loss: Floats
    divergence: Floats
    same_best: npt.NDArray[np.bool_]
    """Whether both find the same token most likely; of equals, the lower one."""


def losses(logits: Logits, following: Tokens, *, threads: int = 0) -> Floats:
    """-ln of the probability that each row of logits [n, n_vocab] gives to its following token.

    Raises Error where a logit is not finite, ValueError for shapes that do not go together.
    """
    return _core.score_logits(logits, following, threads)


def compare(
    reference: Logits, logits: Logits, following: Tokens, *, threads: int = 0
) -> Comparison:
    """Compare the logits [n, n_vocab] of a model with those of its reference.

    `following`: the token behind each position, [n]. Raises as `losses` does.
    """
    return Comparison(*_core.compare_logits(reference, logits, following, threads))


def divergence(reference: Logits, logits: Logits, *, threads: int = 0) -> Floats:
    """Kullback-Leibler divergence of each row of logits [n, n_vocab] from the reference's: [n].

    sum over the vocabulary of p ln(p / q), where p is the reference's distribution (Kullback &
    Leibler 1951); in nats. Raises as `losses` does.
    """
    return compare(reference, logits, np.zeros(len(logits), np.int32), threads=threads).divergence
