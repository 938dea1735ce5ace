"""What `transformers` computed for a tiny checkpoint: written by tools/make_oracle.py."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .checkpoints import Case, Weights, digest, tokens, weights

FOLDER = Path(__file__).parent.parent / "data" / "oracle"
POSITIONS = (0, 1, 2, 15, 16, 31, 62, 63, 64, 65, 95, 100, 126, 127, 128, 129, 148, 149)
"""Those whose logits are kept: the ends, and both sides of every page's edge."""
MORE_POSITIONS = (160, 191, 192, 255, 256, 257, 400, 511, 512, 513, 575, 638, 639)
"""Of longer texts: the edges of spans as well."""
N_PROMPT = 70
N_GREEDY = 32


@dataclass(frozen=True)
class Expected:
    logits: np.ndarray
    """float32 (positions, vocabulary) of `tokens(case, case.n_tokens)`."""
    logits_f16_cache: np.ndarray
    """The same, computed with keys and values rounded to float16."""
    greedy: list[int]
    """What follows the first N_PROMPT of them."""


def positions(case: Case) -> list[int]:
    """Those whose logits are kept."""
    return [p for p in (*POSITIONS, *MORE_POSITIONS) if p < case.n_tokens]


def load(case: Case) -> tuple[Weights, list[int], Expected]:
    """The weights, the tokens and the answer of a case."""
    parameters = weights(case)
    with np.load(FOLDER / f"{case.name}.npz") as data:
        if str(data["weights"]) != digest(parameters):
            raise ValueError(f"{case.name}: its weights are not those of the committed logits")
        answer = Expected(data["logits"], data["logits_f16_cache"], data["greedy"].tolist())
    return parameters, tokens(case, case.n_tokens), answer
