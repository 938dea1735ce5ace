"""The log probabilities that come with a token."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pestle import _core

from .choices import FLAT, NEGATIVE, RANDOM, TIES, UNCUT, VOCABULARY, best, sample
from .reference import log_softmax


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
