"""F32 weights against `transformers`: every architecture, every feature."""

from __future__ import annotations

import numpy as np
import pytest

from . import expected, running
from .checkpoints import CASES
from .conftest import TinyFile

TOLERANCE = 1e-4
"""Relative to the largest |logit|."""
TOLERANCE_F16_CACHE = 2**-11
"""The reference rounds its keys and values too, so what is left are the few that lie so close to
the middle of two f16 numbers that f32 arithmetic rounds them elsewhere: these differ by up to 2^-10
of themselves, and no logit hangs on one of them alone. Where f16 makes a router choose another
expert, which moves logits by up to 0.8 of the largest, both must choose it."""


@pytest.mark.parametrize("chunk", [512, 1], ids=["prefill", "steps"])
@pytest.mark.parametrize("name", CASES)
def test_logits(name: str, chunk: int, tiny_file: TinyFile) -> None:
    case = CASES[name]
    _, tokens, answer = expected.load(case)
    run = running.engine(tiny_file(name))
    logits = running.feed(run, run.sequence(), tokens, chunk)[expected.positions(case)]
    atol = TOLERANCE * abs(answer.logits).max()
    np.testing.assert_allclose(logits, answer.logits, rtol=0, atol=atol)


@pytest.mark.parametrize("name", CASES)
def test_logits_with_f16_cache(name: str, tiny_file: TinyFile) -> None:
    case = CASES[name]
    _, tokens, answer = expected.load(case)
    run = running.engine(tiny_file(name), kv_type="f16")
    logits = running.feed(run, run.sequence(), tokens, 512)[expected.positions(case)]
    atol = TOLERANCE_F16_CACHE * abs(answer.logits_f16_cache).max()
    np.testing.assert_allclose(logits, answer.logits_f16_cache, rtol=0, atol=atol)


@pytest.mark.parametrize("name", CASES)
def test_greedy_tokens(name: str, tiny_file: TinyFile) -> None:
    _, tokens, answer = expected.load(CASES[name])
    run = running.engine(tiny_file(name))
    prompt = tokens[: expected.N_PROMPT]
    assert running.greedy(run, prompt, expected.N_GREEDY) == answer.greedy
