"""The log probabilities that come with a token."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from pestle import _core

from . import logit_table
from .choices import FLAT, NEGATIVE, RANDOM, TIES, UNCUT, VOCABULARY, best, sample
from .reference import log_softmax


def exp_again(x: float) -> float:
    """What core/fixed_math.h says of e^x, with nothing but what IEEE 754 rounds correctly."""
    if x < -700:
        return 0.0
    n = round(x * 1.4426950408889634)
    r = (x - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10
    term = total = 1.0
    for i in range(1, 15):
        term = term * r / i
        total += term
    return math.ldexp(total, n)


def log_again(x: float) -> float:
    m, exponent = math.frexp(x)
    if m < 0.70710678118654752:
        m, exponent = 2 * m, exponent - 1
    s = (m - 1) / (m + 1)
    z = s * s
    total = 0.0
    for i in range(14, -1, -1):
        total = total * z + 1.0 / (2 * i + 1)
    return exponent * 0.69314718055994530942 + 2 * s * total


def test_the_bits_are_those_of_our_own_functions(tmp_path: Path) -> None:
    """A C library's may be others on another machine."""
    table = -np.abs(np.random.default_rng(7).normal(0, 3, (60, 300)).astype(np.float32))
    table[:, 2] = 0  # the largest: nothing of the logarithm is rounded away when it is added
    engine = logit_table.engine(logit_table.write(tmp_path / "table.gguf", table), len(table))
    sampler, library = _core.Sampler(temperature=0.0), 0
    for row, logits in enumerate(engine.logits().astype(np.float64).tolist()):
        top, total = max(logits), 0.0
        for x in logits:
            total += exp_again(x - top)
        expected = logits[5] - (top + log_again(total))
        assert engine.score(row, [5])[0].logprob == expected
        assert sampler.sample(engine, row, [], 300).top[-1][1] == min(logits) - (
            top + log_again(total)
        )
        library += expected != logits[5] - (top + math.log(total))
    assert library > 0  # a correctly rounded logarithm gives others


@pytest.mark.parametrize("row", [RANDOM, FLAT, TIES, NEGATIVE])
@pytest.mark.parametrize("n", [1, 5, VOCABULARY, 1000])
def test_log_probabilities(engine: _core.Engine, logits: np.ndarray, row: int, n: int) -> None:
    expected = log_softmax(logits[row])
    got = _core.Sampler(temperature=1.0, **UNCUT).sample(engine, row, [0] * 9, n)
    assert [token for token, _ in got.top] == best(logits[row])[:n]
    np.testing.assert_allclose([p for _, p in got.top], expected[best(logits[row])[:n]], atol=1e-12)
    assert got.logprob == pytest.approx(expected[got.token], abs=1e-12)


def test_log_probabilities_are_the_model_s_own(engine: _core.Engine, logits: np.ndarray) -> None:
    """Whatever the options make of them."""
    worst = best(logits[RANDOM])[-1]
    options = {"temperature": 0.3, "top_k": 2, "repeat_penalty": 3.0, "presence_penalty": 1.0}
    plain = _core.Sampler(temperature=0.0).sample(engine, RANDOM, [], 4)
    forced = _core.Sampler(**options, logit_bias={worst: 100.0}).sample(engine, RANDOM, [2], 4)
    assert forced.token == worst
    assert forced.logprob == pytest.approx(log_softmax(logits[RANDOM])[worst], abs=1e-12)
    assert forced.top == plain.top


def test_log_probabilities_do_not_change_the_choice(engine: _core.Engine) -> None:
    options = {"temperature": 1.0, "seed": 2, "repeat_penalty": 1.5, **UNCUT}
    for n in range(30):
        history = list(range(n))
        asked = _core.Sampler(**options).sample(engine, RANDOM, history, 5)
        assert asked.token == sample(engine, RANDOM, history, **options)


def test_not_asked_for(engine: _core.Engine) -> None:
    got = _core.Sampler().sample(engine, RANDOM, [])
    assert math.isnan(got.logprob)
    assert got.top == []
