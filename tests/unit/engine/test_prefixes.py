"""What is kept of texts: found by the tokens, given back by age, and never another bit."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from pestle import _core

from .feeding import feed, fresh, same_bits

PAGE = _core.KV_PAGE_TOKENS
N = 700
TEXT = [(7 * i * i + 3 * i) % 97 for i in range(2 * N)]
PLENTY = 1 << 30


@pytest.fixture(params=["model", "windowed"])
def either(request: pytest.FixtureRequest) -> _core.Model:
    """A model that sees all, and one with windows."""
    model: _core.Model = request.getfixturevalue(request.param)
    return model


def engine_of(model: _core.Model, prefix_cache: int = PLENTY, **options: Any) -> _core.Engine:
    return _core.Engine(model, n_ctx=2 * N, threads=1, prefix_cache=prefix_cache, **options)


def read(engine: _core.Engine, tokens: list[int]) -> _core.Sequence:
    """A sequence of `tokens`, all of which are kept."""
    sequence = engine.sequence(remembered=True)
    engine.step([(sequence, tokens)], "none")
    engine.keep(sequence)
    return sequence


@pytest.mark.parametrize("n", [1, 63, 64, 65, 300, N - 1, N])
def test_a_beginning_is_found(either: _core.Model, n: int) -> None:
    """At any position, windows or not, also when the text itself is gone."""
    engine = engine_of(either)
    read(engine, TEXT[:N])
    other = [*TEXT[:n], 98, *TEXT[n : n + 40]]
    assert engine.find(other) == (n, n, TEXT[n : min(N, (n // PAGE + 1) * PAGE)])
    again = engine.recall(other, n)
    assert again.tokens == TEXT[:n]
    assert same_bits(feed(engine, again, other[n:]), fresh(engine, other))


def test_nothing_is_found_of_other_texts(model: _core.Model) -> None:
    engine = engine_of(model)
    assert engine.find(TEXT) == (0, 0, [])
    read(engine, TEXT[:100])
    assert engine.find([98, *TEXT]) == (0, 0, [])
    assert engine.find([]) == (0, 0, [])
    with pytest.raises(ValueError, match="n_tokens is 101, more than was kept"):
        engine.recall(TEXT, 101)


def test_sequences_that_are_not_remembered_leave_nothing(either: _core.Model) -> None:
    engine = engine_of(either)
    sequence = engine.sequence()
    engine.step([(sequence, TEXT[:N])], "none")
    assert engine.find(TEXT)[0] == 0


def test_a_long_text_is_found_while_it_is_read(either: _core.Model) -> None:
    engine = engine_of(either)
    sequence = engine.sequence(remembered=True)
    for start in range(0, N, 100):
        engine.step([(sequence, TEXT[start : start + 100])], "none")
    settled = (N - 256) // PAGE * PAGE
    assert engine.find(TEXT)[:2] == (settled, settled)


def test_what_sequences_hold_costs_nothing(either: _core.Model) -> None:
    """Two conversations that begin alike have one beginning."""
    engine = engine_of(either)
    first = read(engine, TEXT[:N])
    windows = sum(window > 0 for window, _ in engine.kv_groups)
    before = engine.kept_bytes
    assert (before > 0) == (windows > 0)  # what windows have left
    second = engine.recall(TEXT, N)
    assert engine.kept_bytes == before
    del first, second
    pages = -(-N // PAGE)
    assert engine.kept_bytes == pages * sum(size for _, size in engine.kv_groups)


def test_the_limit_holds_and_the_oldest_goes(model: _core.Model) -> None:
    ((_, page),) = engine_of(model).kv_groups
    engine = engine_of(model, 5 * page)
    texts = [[first, *TEXT[: 2 * PAGE - 1]] for first in range(4)]
    for text in texts:
        read(engine, text)
        engine.keep(engine.sequence())  # when anything is kept, there is room made for it
        assert engine.kept_bytes <= 5 * page
        assert engine.recall(texts[0], 2 * PAGE).n_tokens == 2 * PAGE  # used again and again
    assert [engine.find(text)[0] for text in texts] == [2 * PAGE, 0, PAGE, 2 * PAGE]


def test_none_are_kept_without_room(either: _core.Model) -> None:
    engine = engine_of(either, 0)
    read(engine, TEXT[:N])
    assert (engine.find(TEXT)[0], engine.kept_bytes) == (0, 0)


def test_windows_go_first_but_for_marks(windowed: _core.Model, window: int) -> None:
    part = next(size for window, size in engine_of(windowed).kv_groups if window > 0)
    needed = 1 + -(-window // PAGE)  # pages that a token sees, at the worst place
    engine = engine_of(windowed, needed * part)
    sequence = engine.sequence(remembered=True)
    engine.step([(sequence, TEXT[:300])], "none")
    sequence.mark()
    engine.keep(sequence)
    for start in range(300, 2 * N, 50):
        engine.step([(sequence, TEXT[start : start + 50])], "none")
    engine.keep(sequence)
    assert engine.kept_bytes <= needed * part
    gone = 2 * N - 600
    assert engine.find([*TEXT[:gone], 98])[:2] == (gone, 320)  # the end of the marked page
    assert same_bits(
        feed(engine, engine.recall(TEXT, 300), TEXT[300:350]), fresh(engine, TEXT[:350])
    )


def test_forgetting(either: _core.Model) -> None:
    engine = engine_of(either)
    longer = read(engine, TEXT[:300])
    other = read(engine, [*TEXT[:200], 98, *TEXT[:50]])
    engine.forget(longer)
    assert engine.find(TEXT[:300])[0] == 200
    engine.forget(other)
    assert engine.find(TEXT[:300])[0] == 0


@pytest.mark.parametrize("seed", range(4))
def test_any_history(either: _core.Model, seed: int) -> None:
    """Texts that branch, come back, are dropped and crowded out: every logit is the same bits."""
    draw = random.Random(seed)
    ((_, size), *more) = engine_of(either).kv_groups
    engine = engine_of(either, draw.choice((PLENTY, 9 * (size + sum(s for _, s in more)))))
    expected: dict[tuple[int, ...], np.ndarray] = {}
    sequences: list[_core.Sequence] = [engine.sequence(remembered=True)]
    texts = [TEXT[:400]]
    for _ in range(40):
        base = draw.choice(texts)
        cut = draw.randrange(1, len(base))
        text = [*base[:cut], *(draw.randrange(97) for _ in range(draw.randrange(1, 120)))][:600]
        texts.append(text)
        _, n, _ = engine.find(text[:-1])
        at = draw.randrange(len(sequences) + 1)
        sequences[at : at + 1] = [engine.recall(text[:-1], n)]
        sequence = sequences[at]
        logits = feed(engine, sequence, text[n:])
        if draw.random() < 0.5:
            sequence.mark()
        engine.keep(sequence)
        if draw.random() < 0.3:
            engine.step([(sequence, [5, 6, 7])], "none")
            sequence.truncate(len(text))
        if draw.random() < 0.3:
            sequences.pop()
        expected.setdefault(tuple(text), logits)
    for text, logits in draw.sample(list(expected.items()), 12):  # type: ignore[assignment]
        assert same_bits(logits, fresh(engine, list(text)))
