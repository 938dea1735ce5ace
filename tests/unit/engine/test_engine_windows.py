"""Layers with a window keep the pages that they can reach, and no others; no bit depends on it."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest
from pestle import _core

from .feeding import feed, fresh, same_bits

PAGE = 64
SLACK = 256
"""How far a text can be cut back at least."""
N = 1000
TOKENS = [(7 * i * i + 3 * i) % 97 for i in range(12_000)]


@pytest.fixture
def engine(windowed: _core.Model) -> _core.Engine:
    return _core.Engine(windowed, n_ctx=20_000, threads=1)


def read(engine: _core.Engine, sequence: _core.Sequence, tokens: list[int]) -> None:
    engine.step([(sequence, tokens)], "none")


def text(engine: _core.Engine, n: int) -> _core.Sequence:
    sequence = engine.sequence()
    read(engine, sequence, TOKENS[:n])
    return sequence


def test_memory(engine: _core.Engine, window: int) -> None:
    """The full layers' part grows, that of the windows does not."""
    most_pages = (window + SLACK + 512 + 61) // PAGE + 1
    memory = engine.kv_memory
    window_page = memory.window_bytes // most_pages
    slab, window_slab = 64 * PAGE * memory.bytes_per_token, 16 * window_page
    assert most_pages <= 16
    sequence = engine.sequence()
    assert engine.kv_bytes == 0
    for start in range(0, len(TOKENS), 512):
        read(engine, sequence, TOKENS[start : start + 512])
        slabs = (sequence.n_tokens - 1) // (64 * PAGE) + 1
        assert engine.kv_bytes == slabs * slab + window_slab
    for token in TOKENS[:200]:  # 12,200 tokens: still three slabs
        read(engine, sequence, [token])
    assert engine.kv_bytes == 3 * slab + window_slab


def test_a_context_that_is_shorter_than_the_window(windowed: _core.Model) -> None:
    short = _core.Engine(windowed, n_ctx=128, threads=1).kv_memory
    long = _core.Engine(windowed, n_ctx=20_000, threads=1).kv_memory
    assert short.window_bytes < long.window_bytes
    assert short.bytes_per_token == long.bytes_per_token


@pytest.mark.parametrize("kv_type", ["i16", "q8_0"])
def test_same_bits_in_any_pieces(windowed: _core.Model, kv_type: str) -> None:
    def logits(size: int, chunk: int) -> np.ndarray:
        engine = _core.Engine(windowed, n_ctx=N, threads=2, chunk=chunk, kv_type=kv_type)
        sequence, other, rows = engine.sequence(), engine.sequence(), []
        for start in range(0, N, size):
            engine.step([(other, TOKENS[:1]), (sequence, TOKENS[:N][start : start + size])], "all")
            rows.append(engine.logits()[1:])
        return np.concatenate(rows)

    expected = logits(N, 512)
    for size, chunk in ((1, 512), (7, 512), (64, 512), (300, 512), (N, 100), (N, 1000)):
        assert same_bits(logits(size, chunk), expected), f"{size} at a time, passes of {chunk}"


def test_what_can_be_kept(engine: _core.Engine) -> None:
    sequence = text(engine, N)
    kept = [n for n in range(N + 1) if sequence.reusable(n) == n]
    assert {sequence.reusable(n) for n in range(N + 1) if n not in kept} == {0}
    assert kept == [0, *range(kept[1], N + 1)]
    assert N - SLACK - PAGE < kept[1] <= N - SLACK


@pytest.mark.parametrize("n", [-1, N + 1])
def test_tokens_that_are_not_there(engine: _core.Engine, n: int) -> None:
    with pytest.raises(IndexError, match=f"n_tokens is {n}, the sequence holds {N}"):
        text(engine, N).reusable(n)


def test_tokens_that_cannot_be_kept(engine: _core.Engine) -> None:
    sequence = text(engine, N)
    for method in (sequence.fork, sequence.truncate):
        with pytest.raises(ValueError, match="500 of 1000, but the windows no longer hold what"):
            method(500)
    assert sequence.tokens == TOKENS[:N]
    assert same_bits(feed(engine, sequence, [5]), fresh(engine, [*TOKENS[:N], 5]))


@pytest.mark.parametrize("back", [1, 63, 64, 65, 200, SLACK])
def test_truncate_and_go_on(engine: _core.Engine, back: int) -> None:
    expected = fresh(engine, TOKENS[: N + 300])
    for method in ("truncate", "fork"):
        sequence = text(engine, N)
        other = sequence.fork(N - back) if method == "fork" else sequence
        if method == "truncate":
            sequence.truncate(N - back)
        assert same_bits(feed(engine, other, TOKENS[N - back : N + 300]), expected)
    assert same_bits(feed(engine, sequence, TOKENS[N : N + 300]), expected)


def test_from_the_beginning_again(engine: _core.Engine) -> None:
    sequence = text(engine, N)
    sequence.truncate(0)
    assert same_bits(feed(engine, sequence, TOKENS[:N]), fresh(engine, TOKENS[:N]))


def test_a_fork_keeps_what_it_needs(engine: _core.Engine) -> None:
    parent = text(engine, N)
    child = parent.fork(N)
    read(engine, parent, TOKENS[N : 3 * N])
    grandchild = child.fork(N - 100)
    read(engine, text(engine, N), TOKENS[:N])  # takes pages that are free
    del parent
    expected = fresh(engine, TOKENS[: N + 9])
    assert same_bits(feed(engine, grandchild, TOKENS[N - 100 : N + 9]), expected)
    assert same_bits(feed(engine, child, TOKENS[N : N + 9]), expected)


def test_texts_share_memory_one_after_the_other(engine: _core.Engine) -> None:
    text(engine, 3000)
    once = engine.kv_bytes
    for _ in range(5):
        text(engine, 3000)
        assert engine.kv_bytes == once


@pytest.mark.parametrize("seed", range(6))
def test_any_history(engine: _core.Engine, seed: int) -> None:
    """Steps, forks, cuts and ends in any order leave each text with its own keys and values."""
    rng = random.Random(seed)
    texts: list[tuple[_core.Sequence, list[int]]] = []
    for _ in range(80):
        action = rng.choice(["new", "step", "step", "step", "fork", "fork", "cut", "end"])
        if action == "new" or not texts:
            texts.append((engine.sequence(), []))
        i = rng.randrange(len(texts))
        sequence, tokens = texts[i]
        n = sequence.reusable(rng.randint(max(0, len(tokens) - 400), len(tokens)))
        if action == "step":
            batch = rng.sample(texts, min(len(texts), rng.randint(1, 3)))
            parts = [
                [rng.randrange(97) for _ in range(rng.choice([1, 2, 70, 300, 700]))] for _ in batch
            ]
            engine.step([(s, p) for (s, _), p in zip(batch, parts, strict=True)], "none")
            for (_, held), part in zip(batch, parts, strict=True):
                held += part
        elif action == "fork":
            texts.append((sequence.fork(n), tokens[:n]))
        elif action == "cut":
            sequence.truncate(n)
            del tokens[n:]
        elif action == "end" and len(texts) > 3:
            del texts[i]
        del sequence, tokens
    for sequence, tokens in texts:
        assert sequence.tokens == tokens
        assert same_bits(feed(engine, sequence, [1]), fresh(engine, [*tokens, 1]))


def lengths() -> Iterator[int]:
    """Around the ends of pages, and of the window."""
    yield from (1, 63, 64, 65, 99, 100, 101, 127, 128, 129, 191, 192, 193, 355, 356, 357, 420, 421)


def test_every_length(engine: _core.Engine) -> None:
    """Token by token: pages are given back at every possible place."""
    sequence = engine.sequence()
    wanted = set(lengths())
    for n in range(1, max(wanted) + 1):
        logits = feed(engine, sequence, TOKENS[n - 1 : n])
        if n in wanted:
            assert same_bits(logits, fresh(engine, TOKENS[:n])), n
