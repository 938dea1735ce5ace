"""F32 weights against `transformers`: every architecture, every feature."""

from __future__ import annotations

import numpy as np
import pytest

from . import expected, running
from .checkpoints import CASES
from .conftest import TinyFile

TOLERANCE = 1e-4
"""Relative to the largest |logit|."""
# Keys and values rounded to f16 are off by up to 2^-11 of themselves; the logits move in step.
TOLERANCE_F16_CACHE = 4 * 2**-11


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
    atol = TOLERANCE_F16_CACHE * abs(answer.logits).max()
    np.testing.assert_allclose(logits, answer.logits, rtol=0, atol=atol)


@pytest.mark.parametrize("name", CASES)
def test_greedy_tokens(name: str, tiny_file: TinyFile) -> None:
    _, tokens, answer = expected.load(CASES[name])
    run = running.engine(tiny_file(name))
    prompt = tokens[: expected.N_PROMPT]
    assert running.greedy(run, prompt, expected.N_GREEDY) == answer.greedy
