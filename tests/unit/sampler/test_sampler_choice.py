"""Which tokens are drawn, and how often."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pestle import _core

from . import logit_table
from .choices import (
    FALLING,
    FLAT,
    NEGATIVE,
    RANDOM,
    TIES,
    UNCUT,
    VOCABULARY,
    best,
    draws,
    sample,
    table,
)
from .reference import candidates, drawn, log_softmax, uniform


def test_the_table_is_what_the_model_gives(logits: np.ndarray) -> None:
    np.testing.assert_allclose(logits, table(), rtol=1e-5, atol=1e-6)


# Greedy.


def test_greedy_takes_the_largest(engine: _core.Engine, logits: np.ndarray) -> None:
    for row in (RANDOM, FALLING, NEGATIVE):
        assert sample(engine, row, [], temperature=0.0) == logits[row].argmax()


def test_ties_go_to_the_lower_id(engine: _core.Engine) -> None:
    assert sample(engine, TIES, [], temperature=0.0) == 9
    assert sample(engine, FLAT, [], temperature=0.0) == 0
    assert draws(engine, FLAT, 50, temperature=1.0, top_k=3).keys() == {0, 1, 2}
    assert draws(engine, TIES, 50, temperature=1.0, top_k=2).keys() == {9, 21}


def test_greedy_needs_no_chance(engine: _core.Engine, logits: np.ndarray) -> None:
    for seed in range(5):
        options = {"seed": seed, "top_k": 5, "top_p": 0.5, "min_p": 0.5}
        assert sample(engine, RANDOM, [0] * seed, temperature=0.0, **options) == best(logits[0])[0]


def test_a_token_that_must_come_comes_though_it_is_banned(tmp_path: Path) -> None:
    """An unused token too is not replaced by what the model would rather say."""
    path = logit_table.write(tmp_path / "even.gguf", np.zeros((1, 8), np.float32))
    engine = _core.Engine(_core.Model(path, threads=1), threads=1)
    sequence = engine.sequence()
    engine.step([(sequence, [0])])
    sampler = _core.Sampler(temperature=0.0, logit_bias={3: -math.inf})
    (chosen,) = engine.choose([(sampler, sequence, 0, [], 1, None, 3)])
    assert isinstance(chosen, list)
    assert [each.token for each in chosen] == [3]
    assert chosen[0].logprob == pytest.approx(-math.log(8))


# Which tokens may be drawn. At a high temperature all of them come about as often.


@pytest.mark.parametrize("top_k", [1, 2, 7, VOCABULARY, 1000])
def test_top_k(engine: _core.Engine, logits: np.ndarray, top_k: int) -> None:
    options = UNCUT | {"top_k": top_k}
    seen = draws(engine, FALLING, 800, temperature=50.0, **options)
    assert seen.keys() == set(best(logits[FALLING])[:top_k])


@pytest.mark.parametrize("top_p", [1e-9, 0.1, 0.5, 0.9, 0.999])
def test_top_p(engine: _core.Engine, logits: np.ndarray, top_p: float) -> None:
    """The smallest set of the most likely whose probability reaches top_p."""
    p = np.exp(log_softmax(logits[FALLING]))
    order = best(logits[FALLING])
    n = int(np.searchsorted(np.cumsum(p[order]), top_p)) + 1
    seen = draws(engine, FALLING, 800, temperature=50.0, **UNCUT | {"top_p": top_p})
    assert seen.keys() == set(order[:n])


@pytest.mark.parametrize("min_p", [1.0, 0.5, 0.05, 0.001])
def test_min_p(engine: _core.Engine, logits: np.ndarray, min_p: float) -> None:
    """Those with at least min_p times the probability of the most likely."""
    relative = np.exp(logits[FALLING].astype(np.float64) - logits[FALLING].max())
    seen = draws(engine, FALLING, 800, temperature=50.0, **UNCUT | {"min_p": min_p})
    assert seen.keys() == set(np.flatnonzero(relative >= min_p).tolist())


def test_top_p_looks_at_what_top_k_left(engine: _core.Engine, logits: np.ndarray) -> None:
    order = best(logits[FALLING])
    p = np.exp(log_softmax(logits[FALLING][order[:4]]))
    n = int(np.searchsorted(np.cumsum(p), 0.8)) + 1
    options = {"top_k": 4, "top_p": 0.8, "min_p": 0.0}
    seen = draws(engine, FALLING, 300, temperature=50.0, **options)
    assert seen.keys() == set(order[:n])


# How often they are drawn.


def chi_square_quantile(freedom: int) -> float:
    """What chance exceeds once in 10 000 times (Wilson and Hilferty 1931)."""
    variance = 2 / (9 * freedom)
    return freedom * (1 - variance + 3.719 * math.sqrt(variance)) ** 3


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_frequencies(engine: _core.Engine, logits: np.ndarray, temperature: float) -> None:
    n_seeds, n_positions = 20, 300
    seen: Counter[int] = Counter()
    for seed in range(n_seeds):
        seen += draws(engine, RANDOM, n_positions, temperature=temperature, seed=seed, **UNCUT)
    expected = n_seeds * n_positions * np.exp(log_softmax(logits[RANDOM] / temperature))
    counts = np.array([seen[i] for i in range(VOCABULARY)], float)
    # Rare tokens are counted together: chi-square wants five or more in each class.
    rare = expected < 5
    if rare.any():
        counts = np.append(counts[~rare], counts[rare].sum())
        expected = np.append(expected[~rare], expected[rare].sum())
    freedom = len(expected) - 1
    chi2 = float(((counts - expected) ** 2 / expected).sum())
    assert chi2 < chi_square_quantile(freedom)


OPTIONS: list[dict[str, Any]] = [
    {"temperature": 1.0, **UNCUT},
    {"temperature": 0.8, "top_k": 40, "top_p": 0.95, "min_p": 0.05},
    {"temperature": 0.1, **UNCUT},
    {"temperature": 30.0, "top_k": 11, "top_p": 1.0, "min_p": 0.0},
    {"temperature": 1.5, "top_k": 0, "top_p": 0.7, "min_p": 0.0},
    {"temperature": 0.6, "top_k": 30, "top_p": 0.99, "min_p": 0.02},
]


@pytest.mark.parametrize("row", [RANDOM, FLAT, TIES, FALLING])
@pytest.mark.parametrize("options", OPTIONS)
def test_every_draw_is_predicted(
    engine: _core.Engine, logits: np.ndarray, row: int, options: dict[str, Any]
) -> None:
    choices = candidates(logits[row], **options)
    for seed in (0, 1, 12345678901234567890):
        sampler = _core.Sampler(seed=seed, **options)
        for n in range(60):
            token, distance = drawn(choices, uniform(seed, n))
            if distance > 1e-9:  # else rounding may decide
                assert sampler.sample(engine, row, [0] * n).token == token
