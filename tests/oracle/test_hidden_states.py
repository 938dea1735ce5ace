"""The states that are pooled: the head makes the logits of `transformers` of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from . import expected, reference, running
from .checkpoints import CASES
from .conftest import TinyFile
from .test_logits import TOLERANCE


def states(path: Path, tokens: list[int], positions: list[int]) -> np.ndarray:
    """float64 (positions, dim): what pooling the last token gives of the text up to each."""
    engine = running.engine(path)
    sequence, rows = engine.sequence(), []
    for position in positions:
        pooler = engine.pooler("last")
        engine.step([(sequence, tokens[sequence.n_tokens : position + 1], pooler)])
        rows.append(pooler.vector(normalized=False).astype(np.float64))
    return np.stack(rows)


@pytest.mark.parametrize("name", CASES)
def test_the_head_makes_the_logits_of_them(name: str, tiny_file: TinyFile) -> None:
    """There are more logits than columns, so no other states have these logits."""
    case = CASES[name]
    weights, tokens, answer = expected.load(case)
    found = states(tiny_file(name), tokens, expected.positions(case))
    tied = case.config["tie_word_embeddings"]
    head = weights["model.embed_tokens.weight" if tied else "lm_head.weight"].astype(np.float64)
    atol = TOLERANCE * abs(answer.logits).max()
    np.testing.assert_allclose(found @ head.T, answer.logits, rtol=0, atol=atol)


@pytest.mark.parametrize("name", [n for n, c in CASES.items() if c.model_type in reference.KNOWN])
def test_the_mean_equals_the_reference(name: str, tiny_file: TinyFile) -> None:
    case = CASES[name]
    weights, tokens, _ = expected.load(case)
    engine = running.engine(tiny_file(name))
    pooler = engine.pooler("mean")
    engine.step([(engine.sequence(), tokens, pooler)])
    mean = reference.hidden_states(case, weights, tokens).mean(axis=0)
    atol = 1e-5 * abs(mean).max()
    np.testing.assert_allclose(pooler.vector(normalized=False), mean, rtol=0, atol=atol)
    of_ten = mean[:10] / np.linalg.norm(mean[:10])
    np.testing.assert_allclose(pooler.vector(dimensions=10), of_ten, rtol=0, atol=1e-5)
