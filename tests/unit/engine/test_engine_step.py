"""Steps: what they return, what they refuse, and that a refused one changes nothing."""

from __future__ import annotations

import gc
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pestle import _core
from pestle.errors import ContextLengthError, Error

from tests.oracle import checkpoints, gguf_file

from .feeding import CASE, TOKENS, feed, fresh, same_bits


def test_settings(model: _core.Model) -> None:
    engine = _core.Engine(model, n_ctx=77, threads=2, threads_prefill=3, chunk=16)
    assert (engine.n_ctx, engine.threads, engine.threads_prefill, engine.chunk) == (77, 2, 3, 16)
    assert engine.kv_bytes == 0


def test_settings_left_out(model: _core.Model) -> None:
    engine = _core.Engine(model)
    assert engine.n_ctx == model.n_ctx_train == 256
    assert engine.threads == engine.threads_prefill == _core.cpu_info()["default_threads"]
    assert _core.Engine(model, threads=2).threads_prefill == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_ctx": -1}, "kv_memory and pass_memory must not be negative"),
        ({"kv_memory": -1}, "must not be negative"),
        ({"prefix_cache": -1}, "must not be negative"),
        ({"threads": -1}, "must not be negative"),
        ({"threads_prefill": -1}, "must not be negative"),
        ({"chunk": 0}, "chunk must be positive"),
        ({"kv_type": "q8"}, 'kv_type is "q8", expected "i16", "f16", "f32", "q8_0" or two of them'),
    ],
)
def test_settings_out_of_range(model: _core.Model, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _core.Engine(model, **settings)


def test_before_the_first_step(engine: _core.Engine) -> None:
    assert engine.logits().shape == (0, CASE.n_vocab)
    sequence = engine.sequence()
    assert (sequence.n_tokens, sequence.tokens) == (0, [])


@pytest.mark.parametrize(("logits", "rows"), [("none", 0), ("last", 3), ("all", 9)])
def test_rows(engine: _core.Engine, logits: str, rows: int) -> None:
    a, b, c, empty = (engine.sequence() for _ in range(4))
    batch = [(a, TOKENS[:5]), (empty, []), (b, TOKENS[:1]), (c, TOKENS[5:8])]
    assert engine.step(batch, logits) == rows
    got = engine.logits()
    assert got.shape == (rows, CASE.n_vocab)
    assert got.dtype == np.float32
    assert a.tokens == TOKENS[:5]
    assert (b.n_tokens, c.n_tokens, empty.n_tokens) == (1, 3, 0)


def test_rows_are_in_the_order_of_the_batch(engine: _core.Engine) -> None:
    parts = [TOKENS[:5], TOKENS[:1], TOKENS[5:8]]
    engine.step([(engine.sequence(), part) for part in parts])
    last = engine.logits()
    engine.step([(engine.sequence(), part) for part in parts], "all")
    every = engine.logits()
    assert same_bits(every[[4, 5, 8]], last)
    for row, part in zip(last, parts, strict=True):
        assert same_bits(row, fresh(engine, part))


def test_nothing_to_do(engine: _core.Engine) -> None:
    assert engine.step([]) == 0
    assert engine.step([(engine.sequence(), [])], "all") == 0
    assert engine.logits().shape == (0, CASE.n_vocab)


def test_logits_are_a_copy(engine: _core.Engine) -> None:
    first = fresh(engine, TOKENS[:3])
    kept = first.copy()
    fresh(engine, TOKENS[50:60])
    assert same_bits(first, kept)


@pytest.mark.parametrize("chunk", [1, 2, 7, 64, 100, 512])
def test_chunks(model: _core.Model, chunk: int) -> None:
    """More tokens than a pass takes: same rows, same bits; a pass may end one text within."""
    whole = _core.Engine(model, threads=1)
    parts = _core.Engine(model, threads=1, chunk=chunk)
    for logits in ("all", "last"):
        for engine in (whole, parts):
            batch = [TOKENS[:90], TOKENS[90:93], TOKENS[100:175]]
            engine.step([(engine.sequence(), tokens) for tokens in batch], logits)
        assert same_bits(whole.logits(), parts.logits())


def test_unknown_choice_of_logits(engine: _core.Engine) -> None:
    sequence = engine.sequence()
    with pytest.raises(ValueError, match='logits is "first", expected "last", "all" or "none"'):
        engine.step([(sequence, [1])], "first")
    assert sequence.n_tokens == 0


def _unchanged_after(engine: _core.Engine, error: type[Exception], batch: list[Any]) -> Exception:
    """The error of a step that fails; fails itself if the step changed anything."""
    sequences = {id(s): s for s, _ in batch if isinstance(s, _core.Sequence)}
    before = [(s, s.tokens) for s in sequences.values()]
    logits, kv_bytes = engine.logits(), engine.kv_bytes
    with pytest.raises(error) as caught:
        engine.step(batch)
    assert [(s, s.tokens) for s in sequences.values()] == before
    assert same_bits(engine.logits(), logits)
    assert engine.kv_bytes == kv_bytes
    return caught.value


def test_over_context(engine: _core.Engine) -> None:
    short, long = engine.sequence(), engine.sequence()
    engine.step([(short, TOKENS[:2]), (long, TOKENS[:198])])
    error = _unchanged_after(
        engine, ContextLengthError, [(short, TOKENS[2:100]), (long, TOKENS[:3])]
    )
    assert isinstance(error, ContextLengthError)
    assert (error.needed, error.limit) == (201, 200)
    assert str(error) == "the context holds 200 tokens, 201 are needed"
    assert isinstance(error, Error)
    assert same_bits(feed(engine, short, TOKENS[2:9]), fresh(engine, TOKENS[:9]))


def test_up_to_the_context(engine: _core.Engine) -> None:
    sequence = engine.sequence()
    engine.step([(sequence, TOKENS)], "none")
    assert sequence.n_tokens == engine.n_ctx == 200
    error = _unchanged_after(engine, ContextLengthError, [(sequence, [1])])
    assert "201" in str(error)
    engine.step([(sequence, [])])


def test_a_longer_context_than_the_model_s(model: _core.Model) -> None:
    engine = _core.Engine(model, n_ctx=300, threads=1)
    engine.step([(engine.sequence(), (TOKENS * 2)[:300])])
    assert np.isfinite(engine.logits()).all()


@pytest.mark.parametrize("token", [-1, CASE.n_vocab, 2**31 - 1, -(2**31)])
def test_no_such_token(engine: _core.Engine, token: int) -> None:
    a, b = engine.sequence(), engine.sequence()
    engine.step([(a, [1, 2])])
    error = _unchanged_after(engine, ValueError, [(a, [3]), (b, [0, token])])
    assert str(error) == f"token {token} is not in the vocabulary of {CASE.n_vocab}"


@pytest.mark.parametrize("tokens", [[2**31], [1.5], ["1"], [None], 5])
def test_no_tokens(engine: _core.Engine, tokens: Any) -> None:
    _unchanged_after(engine, TypeError, [(engine.sequence(), tokens)])


def test_a_sequence_twice(engine: _core.Engine) -> None:
    a, b = engine.sequence(), engine.sequence()
    error = _unchanged_after(engine, ValueError, [(a, [1]), (b, [2]), (a, [3])])
    assert str(error) == "the same sequence stands in the batch twice"


def test_a_sequence_of_another_engine(engine: _core.Engine, model: _core.Model) -> None:
    other = _core.Engine(model, threads=1)
    batch = [(engine.sequence(), [1]), (other.sequence(), [1])]
    error = _unchanged_after(engine, ValueError, batch)
    assert str(error) == "the sequence belongs to another engine"


def test_no_sequence(engine: _core.Engine) -> None:
    _unchanged_after(engine, TypeError, [(None, [1])])


def test_a_sequence_keeps_its_engine(model: _core.Model) -> None:
    engine = _core.Engine(model, threads=2)
    sequence = engine.sequence()
    engine.step([(sequence, TOKENS[:100])])
    del engine
    gc.collect()
    copy = sequence.fork(70)
    sequence.truncate(3)
    assert (sequence.tokens, copy.tokens) == (TOKENS[:3], TOKENS[:70])


def test_an_engine_keeps_its_model(tmp_path: Path) -> None:
    path = gguf_file.write(tmp_path / "m.gguf", CASE, checkpoints.weights(CASE))
    engine = _core.Engine(_core.Model(path, threads=1), threads=1)
    gc.collect()
    path.unlink()
    assert np.isfinite(fresh(engine, TOKENS[:10])).all()


@pytest.mark.parametrize("threads", [1, 2])
def test_steps_of_several_threads(model: _core.Model, threads: int) -> None:
    """They queue. Each works on its own text, and lets go of others on the way."""
    engine = _core.Engine(model, threads=threads)
    sequences = [engine.sequence() for _ in range(3)]
    errors: list[BaseException] = []

    def work(i: int) -> None:
        try:
            for at in range(0, 100, 10):
                engine.step([(sequences[i], TOKENS[i + at : i + at + 10])], "none")
                sequences[i].fork(at).truncate(at // 2)
        except BaseException as error:
            errors.append(error)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert errors == []
    for i, sequence in enumerate(sequences):
        assert sequence.tokens == TOKENS[i : i + 100]
        after = fresh(engine, [*TOKENS[i : i + 100], 7])
        assert same_bits(feed(engine, sequence, [7]), after)


def test_engines_share_a_model(model: _core.Model) -> None:
    engines = [_core.Engine(model, threads=n) for n in (1, 2, 3)]
    workers = [threading.Thread(target=fresh, args=(engine, TOKENS)) for engine in engines]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    first, *rest = (engine.logits() for engine in engines)
    assert all(same_bits(first, logits) for logits in rest)
