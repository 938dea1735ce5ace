"""A limit for keys and values: it holds, kept texts make room, nothing changes if none is left."""

from __future__ import annotations

import random
from typing import Any

import pytest
from pestle import MemoryLimitError, _core

from .feeding import TOKENS, feed, fresh, same_bits

PAGE = _core.KV_PAGE_TOKENS
PLENTY = 1 << 40


def engine_of(model: _core.Model, pages: int, **options: Any) -> _core.Engine:
    """With room for so many pages of every group of layers."""
    size = sum(size for _, size in _core.Engine(model, threads=1).kv_groups)
    return _core.Engine(model, threads=1, kv_memory=pages * size, **options)


def test_what_does_not_fit_changes_nothing(model: _core.Model) -> None:
    engine = engine_of(model, 2)
    sequence = engine.sequence()
    feed(engine, sequence, TOKENS[:PAGE])
    other = engine.sequence()
    feed(engine, other, TOKENS[:1])
    assert engine.kv_used == engine.kv_limit
    limit = rf"hold {engine.kv_limit} bytes, a page of {engine.kv_limit // 2} more is needed"
    with pytest.raises(MemoryLimitError, match=limit):
        engine.step([(other, TOKENS[1:3]), (sequence, TOKENS[PAGE : PAGE + 1])])
    assert (other.n_tokens, sequence.n_tokens) == (1, PAGE)
    del other
    expected = fresh(_core.Engine(model, threads=1), TOKENS[: PAGE + 1])
    assert same_bits(feed(engine, sequence, TOKENS[PAGE : PAGE + 1]), expected)
    del sequence
    assert engine.kv_used == 0


def test_kept_texts_make_room_and_no_more_than_is_needed(model: _core.Model) -> None:
    engine = engine_of(model, 4, prefix_cache=PLENTY)
    for first in (1, 2):
        sequence = engine.sequence()
        feed(engine, sequence, [first, *TOKENS[: 2 * PAGE - 1]])
        engine.keep(sequence)
    del sequence
    page = engine.kv_limit // 4
    assert (engine.kv_used, engine.kept_bytes) == (4 * page, 4 * page)
    feed(engine, engine.sequence(), TOKENS[:1])
    assert engine.kept_bytes == 3 * page  # of the older text its end
    assert engine.find([2, *TOKENS[: 2 * PAGE - 1]])[0] == 2 * PAGE
    assert engine.find([1, *TOKENS[: 2 * PAGE - 1]])[0] == PAGE


def test_a_shared_page_is_copied_within_the_limit(model: _core.Model) -> None:
    engine = engine_of(model, 2)
    sequence = engine.sequence()
    feed(engine, sequence, TOKENS[:10])
    forks = [sequence.fork(10), sequence.fork(10)]
    page = engine.kv_limit // 2
    assert engine.kv_used == page
    assert forks[0].growth(1) == page
    feed(engine, forks[0], [5])
    assert engine.kv_used == 2 * page
    with pytest.raises(MemoryLimitError):
        feed(engine, forks[1], [6])
    assert forks[1].tokens == TOKENS[:10]
    del sequence
    feed(engine, forks[1], [6])  # which is its own now


@pytest.mark.parametrize("windows", [False, True])
@pytest.mark.parametrize("chunk", [7, 64, 512])
def test_growth_is_what_is_taken(
    model: _core.Model, windowed: _core.Model, windows: bool, chunk: int
) -> None:
    """At most; and to the page where all layers see all."""
    weights = windowed if windows else model
    engine = _core.Engine(weights, threads=1, n_ctx=1100, chunk=chunk)
    draw = random.Random(chunk)
    sequence = engine.sequence()
    n = 0
    while n < 800:
        more = draw.choice([1, 3, 64, 200])
        before, growth = engine.kv_used, sequence.growth(more)
        feed(engine, sequence, [1 + (n * 7) % 50] * more)
        n += more
        taken = engine.kv_used - before
        assert taken <= growth
        if not windows:
            assert taken == growth


def test_growth_ends_with_the_context(model: _core.Model) -> None:
    engine = _core.Engine(model, n_ctx=100, threads=1)
    assert engine.sequence().growth(1 << 30) == engine.sequence().growth(100)
    assert engine.sequence().growth(0) == engine.sequence().growth(-5) == 0


@pytest.mark.parametrize("windows", [False, True])
def test_the_limit_holds_in_any_order(
    model: _core.Model, windowed: _core.Model, windows: bool
) -> None:
    """Texts are read, forked, kept, recalled and dropped at random, and what is read is right."""
    weights = windowed if windows else model
    engine = engine_of(weights, 12, prefix_cache=PLENTY, n_ctx=1000)
    free = _core.Engine(weights, threads=1, n_ctx=1000)
    draw = random.Random(3)
    held: list[_core.Sequence] = []
    refused = 0
    for _ in range(250):
        what = draw.randrange(6)
        if what == 0 or not held:
            held.append(engine.sequence(remembered=draw.random() < 0.5))
        sequence = draw.choice(held)
        if what in (1, 2):
            tokens = [draw.randrange(1, 4) for _ in range(draw.choice([1, 5, 90]))]
            text = [*sequence.tokens, *tokens]
            try:
                logits = feed(engine, sequence, tokens)
            except MemoryLimitError:
                refused += 1
                assert sequence.tokens == text[: -len(tokens)]
                held.remove(sequence)
            else:
                assert same_bits(logits, fresh(free, text))
        elif what == 3:
            held.append(sequence.fork(sequence.n_tokens))
        elif what == 4:
            engine.keep(sequence)
            held.remove(sequence)
        elif what == 5:
            text = sequence.tokens
            held.append(engine.recall(text, engine.find(text)[1]))
        del sequence
        assert engine.kv_used <= engine.kv_limit
        assert engine.kept_bytes <= engine.kv_used
    assert refused > 0
    held.clear()
    assert engine.kv_used == engine.kept_bytes
