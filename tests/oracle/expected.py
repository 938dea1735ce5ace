"""What `transformers` computed for a tiny checkpoint: written by tools/make_oracle.py."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .checkpoints import Case, Weights, digest, tokens, weights

FOLDER = Path(__file__).parent.parent / "data" / "oracle"
N_TOKENS = 150
"""Two full pages of 64 positions and a part of a third."""
POSITIONS = (0, 1, 2, 15, 16, 31, 62, 63, 64, 65, 95, 100, 126, 127, 128, 129, 148, 149)
"""Those whose logits are kept: the ends, and both sides of every page's edge."""
N_PROMPT = 70
N_GREEDY = 32


@dataclass(frozen=True)
class Expected:
    logits: np.ndarray
    """float32 (POSITIONS, vocabulary) of `tokens(case, N_TOKENS)`."""
    greedy: list[int]
    """What follows the first N_PROMPT of them."""


def load(case: Case) -> tuple[Weights, list[int], Expected]:
    """The weights, the tokens and the answer of a case."""
    parameters = weights(case)
    with np.load(FOLDER / f"{case.name}.npz") as data:
        if str(data["weights"]) != digest(parameters):
            raise ValueError(f"{case.name}: its weights are not those of the committed logits")
        answer = Expected(data["logits"], data["greedy"].tolist())
    return parameters, tokens(case, N_TOKENS), answer
