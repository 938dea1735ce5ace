"""Losses and divergence from logits: against numpy, and the same bits whatever computes them."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from pestle.errors import Error
from pestle.quality import compare, divergence, losses

from . import numbers

# n_vocab: around the eight partial sums, and many; scale: from flat to one token alone.
SHAPES = [(1, 1.0), (2, 3.0), (7, 5.0), (8, 1.0), (9, 100.0), (131, 8.0), (5000, 4.0)]


@pytest.mark.parametrize(("n_vocab", "scale"), SHAPES)
def test_against_numpy(n_vocab: int, scale: float) -> None:
    reference = numbers.random_logits(20, n_vocab, scale=scale, seed=1)
    logits = reference + numbers.random_logits(20, n_vocab, scale=0.3 * scale, seed=2)
    following = np.random.default_rng(3).integers(0, n_vocab, 20).astype(np.int32)
    found = compare(reference, logits, following)
    for mine, expected in [
        (found.loss, numbers.losses(logits, following)),
        (found.reference_loss, numbers.losses(reference, following)),
        (found.divergence, numbers.divergence(reference, logits)),
        (losses(logits, following), numbers.losses(logits, following)),
        (divergence(reference, logits), numbers.divergence(reference, logits)),
    ]:
        np.testing.assert_allclose(mine, expected, rtol=1e-11, atol=1e-11 * scale)
    same = reference.argmax(axis=1) == logits.argmax(axis=1)
    np.testing.assert_array_equal(found.same_best, same)


def test_same_logits_do_not_diverge() -> None:
    logits = numbers.random_logits(5, 999, scale=10, seed=1)
    assert not divergence(logits, logits.copy()).any()


def test_small_divergences_are_not_lost() -> None:
    """Logits that differ in their last bits: rounding to zero would hide a rounded file."""
    reference = numbers.random_logits(5, 400, scale=3, seed=1)
    noise = numbers.random_logits(5, 400, scale=1e-5, seed=2)
    expected = numbers.divergence(reference, reference + noise)
    np.testing.assert_allclose(divergence(reference, reference + noise), expected, rtol=1e-3)


def test_of_equal_logits_the_lower_token_is_best() -> None:
    tie = np.array([[1, 5, 5, 0]], np.float32)
    low, high = (np.array([[0, *values, 0]], np.float32) for values in ((9, 8), (8, 9)))
    zero = np.zeros(1, np.int32)
    assert compare(tie, low, zero).same_best.tolist() == [True]
    assert compare(tie, high, zero).same_best.tolist() == [False]


def test_far_tails_count_for_nothing() -> None:
    logits = np.array([[0, -3e38, -1e5, -800]], np.float32)
    np.testing.assert_array_equal(losses(logits, np.zeros(1, np.int32)), [0.0])


def test_bits() -> None:
    """What a certificate relies on: digests that were written once, with any number of threads."""
    at = np.arange(9 * 1003).reshape(9, 1003)
    reference, logits = ((at * factor % 4093 / 256).astype(np.float32) for factor in (7919, 7907))
    following = np.arange(9, dtype=np.int32)
    for threads in (1, 2, 5):
        found = compare(reference, logits, following, threads=threads)
        bits = [found.reference_loss, found.loss, found.divergence]
        digest = hashlib.sha256(np.concatenate(bits).astype("<f8").tobytes()).hexdigest()
        assert digest.startswith("d925430f7569b04b")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite(value: float) -> None:
    good = numbers.random_logits(4, 50, scale=1, seed=1)
    bad = good.copy()
    bad[2, 49] = value
    zeros = np.zeros(4, np.int32)
    for reference, logits in ((good, bad), (bad, good)):
        with pytest.raises(Error, match="row 2 of the logits holds a value that is not finite"):
            compare(reference, logits, zeros)
    with pytest.raises(Error, match="row 2"):
        losses(bad, zeros)


def test_shapes() -> None:
    logits = np.zeros((2, 5), np.float32)
    zeros = np.zeros(2, np.int32)
    with pytest.raises(ValueError, match="has 1 tokens, 2 are expected"):
        losses(logits, zeros[:1])
    with pytest.raises(ValueError, match="token 5 is not in the vocabulary of 5"):
        losses(logits, zeros + 5)
    with pytest.raises(ValueError, match="has 4 logits a row, the model 5"):
        compare(logits[:, :4].copy(), logits, zeros)
