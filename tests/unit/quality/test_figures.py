"""What many positions come to, against numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pestle.quality import Comparison, Tally, compare

from . import numbers


def _compared(n: int, seed: int) -> Comparison:
    reference = numbers.random_logits(n, 60, scale=3, seed=seed)
    logits = reference + numbers.random_logits(n, 60, scale=0.5, seed=seed + 1)
    following = (np.arange(n) % 60).astype(np.int32)
    return compare(reference, logits, following)


def test_figures() -> None:
    parts = [_compared(41, 1), _compared(60, 3)]
    tally, more = Tally(), Tally()
    tally.add(parts[0])
    more.add(parts[1])
    tally.merge(more)
    found = tally.figures()
    loss, reference, divergence, same = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("loss", "reference_loss", "divergence", "same_best")
    )
    assert found.tokens == 101
    assert found.perplexity == pytest.approx(np.exp(loss.mean()))
    error = loss.std(ddof=1) / math.sqrt(101)
    assert found.perplexity_error == pytest.approx(np.exp(loss.mean()) * error)
    assert found.divergence is not None
    of = found.divergence
    assert of.mean == pytest.approx(divergence.mean())
    assert of.mean_error == pytest.approx(divergence.std(ddof=1) / math.sqrt(101))
    assert [of.median, of.p99] == pytest.approx(np.quantile(divergence, [0.5, 0.99]).tolist())
    assert of.max == divergence.max()
    assert of.same_best == same.mean()
    assert of.reference_perplexity == pytest.approx(np.exp(reference.mean()))
    ratios = loss - reference
    assert of.perplexity_ratio == pytest.approx(np.exp(ratios.mean()))
    ratio_error = of.perplexity_ratio * ratios.std(ddof=1) / math.sqrt(101)
    assert of.perplexity_ratio_error == pytest.approx(ratio_error)


def test_order_changes_no_bit() -> None:
    parts = [_compared(30, seed) for seed in range(4)]
    forwards, backwards = Tally(), Tally()
    for part in parts:
        forwards.add(part)
    for part in reversed(parts):
        backwards.add(part)
    assert forwards.figures() == backwards.figures()


def test_without_reference() -> None:
    tally = Tally()
    tally.add(np.array([2.0]))
    found = tally.figures()
    assert (found.perplexity_error, found.divergence) == (0.0, None)
    assert found.perplexity == pytest.approx(math.exp(2))


def test_nothing() -> None:
    with pytest.raises(ValueError, match="no positions"):
        Tally().figures()
