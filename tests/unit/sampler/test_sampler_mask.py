"""Masks: which tokens may be chosen at all."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from pestle import Error, _core

from .choices import FALLING, RANDOM, UNCUT, VOCABULARY, best
from .reference import candidates, drawn, log_softmax, uniform


def mask_of(*tokens: int) -> np.ndarray:
    words = np.zeros((VOCABULARY + 31) // 32, np.uint32)
    for token in tokens:
        words[token // 32] |= np.uint32(1 << token % 32)
    return words


def test_the_best_of_the_allowed_is_taken(engine: _core.Engine, logits: np.ndarray) -> None:
    sampler = _core.Sampler(temperature=0.0)
    for allowed in ([3], [0, 31, 32, 47], range(20, 40), range(VOCABULARY)):
        chosen = sampler.sample(engine, RANDOM, [], mask=mask_of(*allowed)).token
        assert chosen == max(allowed, key=lambda token: logits[RANDOM][token])


@pytest.mark.parametrize("options", [UNCUT, {"top_k": 3}, {"top_p": 0.6}, {"min_p": 0.4}])
def test_what_follows_is_as_if_there_were_no_others(
    engine: _core.Engine, logits: np.ndarray, options: dict[str, Any]
) -> None:
    """The draws of a reference that never hears of the tokens that are not allowed."""
    allowed = [1, 8, 13, 31, 32, 33, 40, 47]
    options = UNCUT | options | {"temperature": 1.3}
    choices = [(allowed[i], p) for i, p in candidates(logits[FALLING][allowed], **options)]
    sampler = _core.Sampler(seed=7, **options)
    for n in range(300):
        token, margin = drawn(choices, uniform(7, n))
        if margin > 1e-6:
            assert sampler.sample(engine, FALLING, [0] * n, mask=mask_of(*allowed)).token == token


def test_a_full_mask_changes_nothing(engine: _core.Engine) -> None:
    sampler = _core.Sampler(seed=3, temperature=2.0)
    every = np.full((VOCABULARY + 31) // 32, 0xFFFFFFFF, np.uint32)
    for n in range(50):
        plain = sampler.sample(engine, RANDOM, [0] * n).token
        assert sampler.sample(engine, RANDOM, [0] * n, mask=every).token == plain


def test_bans_come_on_top(engine: _core.Engine, logits: np.ndarray) -> None:
    first, second = best(logits[RANDOM])[:2]
    sampler = _core.Sampler(temperature=0.0, logit_bias={first: float("-inf")})
    assert sampler.sample(engine, RANDOM, [], mask=mask_of(first, second)).token == second
    with pytest.raises(Error, match="every token is banned"):
        sampler.sample(engine, RANDOM, [], mask=mask_of(first))


def test_no_other_token_is_ever_drawn(engine: _core.Engine) -> None:
    sampler = _core.Sampler(temperature=100.0, **UNCUT)
    seen = Counter(
        sampler.sample(engine, RANDOM, [0] * n, mask=mask_of(5, 6)).token for n in range(200)
    )
    assert seen.keys() == {5, 6}


def test_log_probabilities_are_the_models_own(engine: _core.Engine, logits: np.ndarray) -> None:
    expected = log_softmax(logits[RANDOM])
    sampled = _core.Sampler(temperature=0.0).sample(engine, RANDOM, [], 3, mask_of(9))
    assert sampled.token == 9
    assert sampled.logprob == pytest.approx(expected[9], abs=1e-12)
    assert [token for token, _ in sampled.top] == best(logits[RANDOM])[:3]


def test_bad_masks(engine: _core.Engine) -> None:
    sampler = _core.Sampler()
    with pytest.raises(Error, match="the mask allows no token"):
        sampler.sample(engine, RANDOM, [], mask=mask_of())
    beyond = mask_of()
    beyond[1] = 1 << (VOCABULARY % 32)  # only padding is allowed
    with pytest.raises(Error, match="the mask allows no token"):
        sampler.sample(engine, RANDOM, [], mask=beyond)
    with pytest.raises(ValueError, match="3 words of 32 bits, expected 2"):
        sampler.sample(engine, RANDOM, [], mask=np.ones(3, np.uint32))
    with pytest.raises(ValueError, match="the mask is empty"):
        sampler.sample(engine, RANDOM, [], mask=np.ones(0, np.uint32))


def test_scores_are_the_log_probabilities_of_sampling(
    engine: _core.Engine, logits: np.ndarray
) -> None:
    sampler = _core.Sampler(temperature=0.0)
    sampled = sampler.sample(engine, RANDOM, [], VOCABULARY)
    for n, (token, logprob) in enumerate(sampled.top):
        (scored,) = engine.score(RANDOM, [token], 2)
        assert (scored.logprob, scored.greedy) == (logprob, n == 0)
        assert scored.top == sampled.top[:2]
    assert engine.score(RANDOM, [0])[0].top == []
    with pytest.raises(IndexError, match="token 48 is not in a vocabulary of 48"):
        engine.score(RANDOM, [48])
