"""Poolers: what they take, what they refuse, and that no way of reading a text changes a bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pestle import _core
from pestle.errors import Error

from .feeding import TOKENS, feed, same_bits
from .parts import parts

POOLINGS = ("mean", "last")


def pooled(engine: _core.Engine, pooling: str, tokens: list[int], pieces: int = 1000) -> np.ndarray:
    """The vector of a text that is read in pieces."""
    pooler, sequence = engine.pooler(pooling), engine.sequence()
    for start in range(0, len(tokens), pieces):
        assert engine.step([(sequence, tokens[start : start + pieces], pooler)]) == 0
    assert pooler.n_tokens == len(tokens) == sequence.n_tokens
    return pooler.vector(normalized=False)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_no_way_of_reading_changes_a_bit(model: _core.Model, pooling: str) -> None:
    expected = pooled(_core.Engine(model, n_ctx=200, threads=1), pooling, TOKENS)
    for threads in (1, 2, 3):
        for chunk in (1, 7, 64, 512):
            engine = _core.Engine(model, n_ctx=200, threads=threads, chunk=chunk)
            for pieces in (1, 50, 1000):
                assert same_bits(pooled(engine, pooling, TOKENS, pieces), expected)


def test_texts_are_pooled_beside_each_other_and_beside_answers(model: _core.Model) -> None:
    """In passes of 16 rows, so that one ends in the middle of a text and begins the next."""
    engine = _core.Engine(model, n_ctx=200, threads=2, chunk=16)
    texts = [TOKENS[:37], TOKENS[50:53], TOKENS[60:61], TOKENS[3:40]]
    expected = [pooled(engine, pooling, text) for text in texts for pooling in POOLINGS]
    poolers = [engine.pooler(pooling) for _ in texts for pooling in POOLINGS]
    answers = [engine.sequence() for _ in poolers]
    batch = []
    twice = [text for text in texts for _ in POOLINGS]
    for pooler, answer, text in zip(poolers, answers, twice, strict=True):
        batch += [(engine.sequence(), text, pooler), (answer, TOKENS[:5], "last")]
    assert engine.step(batch) == len(answers)
    rows = engine.logits()
    for pooler, row, vector in zip(poolers, rows, expected, strict=True):
        assert same_bits(pooler.vector(normalized=False), vector)
        assert same_bits(row, feed(engine, engine.sequence(), TOKENS[:5]))


def test_the_mean_is_that_of_the_tokens(engine: _core.Engine, model: _core.Model) -> None:
    """Summed up in order and in double, rounded once."""
    sequence, states = engine.sequence(), []
    for token in TOKENS[:70]:
        pooler = engine.pooler("last")
        engine.step([(sequence, [token], pooler)])
        states.append(pooler.vector(normalized=False))
    mean = pooled(engine, "mean", TOKENS[:70])
    assert mean.dtype == np.float32
    total = np.zeros(model.dim)
    for state in states:
        total += state.astype(np.float64)
    assert same_bits(mean, (total / 70).astype(np.float32))
    assert same_bits(pooled(engine, "last", TOKENS[:70]), states[-1])


def test_vectors_are_cut_and_scaled(engine: _core.Engine, model: _core.Model) -> None:
    pooler = engine.pooler("mean")
    engine.step([(engine.sequence(), TOKENS[:9], pooler)])
    whole = pooler.vector(normalized=False)
    assert whole.shape == (model.dim,)
    assert same_bits(pooler.vector(dimensions=10, normalized=False), whole[:10])
    for n in (1, 10, model.dim):
        scaled = pooler.vector(dimensions=n)
        length = np.sqrt(np.square(whole[:n].astype(np.float64)).sum())
        np.testing.assert_allclose(scaled, whole[:n] / length, rtol=1e-7)
        assert np.linalg.norm(scaled.astype(np.float64)) == pytest.approx(1, abs=1e-6)
    assert same_bits(pooler.vector(), pooler.vector(dimensions=model.dim))
    for n in (-1, model.dim + 1):
        with pytest.raises(ValueError, match=f"dimensions is {n}, expected 1 to {model.dim}"):
            pooler.vector(dimensions=n)


def test_what_a_pooler_cannot_take(engine: _core.Engine, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='pooling is "cls", expected "mean" or "last"'):
        engine.pooler("cls")
    pooler, sequence = engine.pooler("mean"), engine.sequence()
    with pytest.raises(ValueError, match="no token was pooled"):
        pooler.vector()
    wider = _core.Engine(_core.Model(parts("llama-biases").write(tmp_path / "wider.gguf")))
    with pytest.raises(ValueError, match="the pooler takes 96 columns, the model has 64"):
        engine.step([(sequence, TOKENS[:3], wider.pooler("last"))])
    engine.step([(sequence, TOKENS[:3], pooler)])
    before = pooler.vector()
    with pytest.raises(ValueError, match="had 3 tokens, its sequence holds 0"):
        engine.step([(engine.sequence(), TOKENS[:3], pooler)])
    with pytest.raises(ValueError, match="the same pooler stands in the batch twice"):
        engine.step([(sequence, [1], pooler), (engine.sequence(), [1], pooler)])
    with pytest.raises(TypeError, match='"none" or a Pooler'):
        engine.step([(sequence, [1], None)])
    assert (pooler.n_tokens, sequence.n_tokens) == (3, 3)
    assert same_bits(pooler.vector(), before)


def test_what_is_not_finite_is_no_vector(tmp_path: Path) -> None:
    damaged = parts()
    damaged.tensors["output_norm.weight"][5] = np.inf
    model = _core.Model(damaged.write(tmp_path / "damaged.gguf"), threads=1)
    engine = _core.Engine(model, threads=1)
    pooler = engine.pooler("mean")
    engine.step([(engine.sequence(), TOKENS[:3], pooler)])
    with pytest.raises(Error, match="not finite, in column 5"):
        pooler.vector()
    assert np.isfinite(pooler.vector(dimensions=5)).all()
