"""Penalties and biases: at the critical strength another token becomes the best."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pestle import _core
from pestle.errors import Error

from .choices import FLAT, NEGATIVE, RANDOM, UNCUT, VOCABULARY, best, draws, sample


def choices_around(
    engine: _core.Engine,
    row: int,
    history: list[int],
    critical: float,
    options: Callable[[float], dict[str, Any]],
) -> list[int]:
    """The greedy choices with slightly less and slightly more than the critical value."""
    return [
        sample(engine, row, history, temperature=0.0, **options(critical * factor))
        for factor in (1 - 1e-4, 1 + 1e-4)
    ]


def test_repeat_penalty(engine: _core.Engine, logits: np.ndarray) -> None:
    first, second = best(logits[RANDOM])[:2]
    ratio = float(logits[RANDOM][first] / logits[RANDOM][second])
    for history in ([first], [first] * 5):  # once, however often it came
        got = choices_around(engine, RANDOM, history, ratio, lambda x: {"repeat_penalty": x})
        assert got == [first, second]


def test_repeat_penalty_multiplies_negative_logits(
    engine: _core.Engine, logits: np.ndarray
) -> None:
    ratio = float(logits[NEGATIVE][1] / logits[NEGATIVE][0])
    got = choices_around(engine, NEGATIVE, [0], ratio, lambda x: {"repeat_penalty": x})
    assert got == [0, 1]


def test_frequency_penalty(engine: _core.Engine, logits: np.ndarray) -> None:
    first, second = best(logits[RANDOM])[:2]
    gap = float(logits[RANDOM][first] - logits[RANDOM][second])
    for n in (1, 3):
        history = [first] * n
        got = choices_around(engine, RANDOM, history, gap / n, lambda x: {"frequency_penalty": x})
        assert got == [first, second]
    # A negative one favours what came before.
    got = choices_around(engine, RANDOM, [second], -gap, lambda x: {"frequency_penalty": x})
    assert got == [first, second]


def test_presence_penalty(engine: _core.Engine, logits: np.ndarray) -> None:
    first, second = best(logits[RANDOM])[:2]
    gap = float(logits[RANDOM][first] - logits[RANDOM][second])
    for n in (1, 3):
        history = [first] * n
        got = choices_around(engine, RANDOM, history, gap, lambda x: {"presence_penalty": x})
        assert got == [first, second]


def test_all_at_once(engine: _core.Engine, logits: np.ndarray) -> None:
    """((logit + bias) / repeat) - n * frequency - presence."""
    first, second = best(logits[RANDOM])[:2]
    left = (float(logits[RANDOM][first]) + 2.0) / 1.25 - 3 * 0.25
    rest = {"logit_bias": {first: 2.0}, "repeat_penalty": 1.25, "frequency_penalty": 0.25}
    got = choices_around(
        engine,
        RANDOM,
        [first] * 3,
        left - float(logits[RANDOM][second]),
        lambda x: rest | {"presence_penalty": x},
    )
    assert got == [first, second]


def test_repeat_last_n(engine: _core.Engine, logits: np.ndarray) -> None:
    first, second, *_, last = best(logits[RANDOM])
    history = [first] + [last] * 9
    chosen = {
        n: sample(engine, RANDOM, history, temperature=0.0, presence_penalty=50.0, repeat_last_n=n)
        for n in (0, 1, 9, 10, 1000, -1)
    }
    assert chosen == {0: first, 1: first, 9: first, 10: second, 1000: second, -1: second}


def test_history_of_other_tokens(engine: _core.Engine, logits: np.ndarray) -> None:
    """Ids that the vocabulary does not have are of no consequence."""
    options = {"temperature": 0.0, "repeat_penalty": 9.0}
    assert sample(engine, RANDOM, [-1, VOCABULARY, 2**31 - 1], **options) == best(logits[0])[0]


def test_logit_bias(engine: _core.Engine, logits: np.ndarray) -> None:
    first, second = best(logits[RANDOM])[:2]
    gap = float(logits[RANDOM][first] - logits[RANDOM][second])
    got = choices_around(engine, RANDOM, [], gap, lambda x: {"logit_bias": {second: x}})
    assert got == [first, second]
    got = choices_around(engine, RANDOM, [], -gap, lambda x: {"logit_bias": {first: x}})
    assert got == [first, second]


def test_a_banned_token_never_comes(engine: _core.Engine) -> None:
    banned = dict.fromkeys(range(0, VOCABULARY, 2), -math.inf)
    for temperature in (0.0, 1.0, 1e9):
        seen = draws(engine, FLAT, 500, temperature=temperature, logit_bias=banned, **UNCUT)
        assert seen.keys() <= set(range(1, VOCABULARY, 2))
        assert temperature == 0 or len(seen) == VOCABULARY // 2


def test_the_only_one_left(engine: _core.Engine) -> None:
    banned = {i: -math.inf for i in range(VOCABULARY) if i != 33}
    for options in ({"temperature": 0.0}, {"temperature": 2.0, **UNCUT}, {"top_k": 1}):
        assert sample(engine, RANDOM, [33], logit_bias=banned, **options) == 33


def test_everything_banned(engine: _core.Engine) -> None:
    banned = dict.fromkeys(range(VOCABULARY), -math.inf)
    for temperature in (0.0, 1.0):
        with pytest.raises(Error, match="every token is banned: nothing is left to sample"):
            sample(engine, RANDOM, [], temperature=temperature, logit_bias=banned)
