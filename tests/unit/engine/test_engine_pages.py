"""Pages of keys and values: shared by forks, copied when written, given back."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from pestle import _core

from tests.oracle import checkpoints, gguf_file
from tests.oracle.checkpoints import CASES

from .feeding import TOKENS, feed, fresh, same_bits

PAGE = 64
EDGES = (0, 1, 63, 64, 65, 100, 127, 128, 129, 150)


def slab(engine: _core.Engine) -> int:
    """What the cache grows by: 64 of this model's pages."""
    if engine.kv_bytes == 0:
        engine.step([(engine.sequence(), [0])], "none")
    return engine.kv_bytes


def test_memory_comes_with_the_first_token(engine: _core.Engine, model: _core.Model) -> None:
    sequence = engine.sequence()
    assert engine.kv_bytes == 0
    engine.step([(sequence, [1])])
    assert engine.kv_bytes == 64 * PAGE * model.kv_bytes_per_token()


@pytest.mark.parametrize(
    ("kv_type", "per_head"),
    [
        ("i16", 2 * (24 + 32) + 4),
        ("f16", 2 * (24 + 32)),
        ("f32", 4 * (24 + 32)),
        ("q8_0", 24 + 32 + 4),
        ("q8_0/f16", 24 + 2 + 2 * 32),
        ("f16/q8_0", 2 * 24 + 32 + 2),
    ],
)
def test_bytes_per_token(tmp_path: Path, kv_type: str, per_head: int) -> None:
    """The head's keys, its values rounded up to 16; of integers two scales of two bytes each."""
    case = CASES["llama-ragged"]
    model = _core.Model(gguf_file.write(tmp_path / "m.gguf", case, checkpoints.weights(case)))
    n_layers, n_kv_heads = 2, 3
    assert model.kv_bytes_per_token(kv_type) == n_layers * n_kv_heads * per_head


def test_forks_share_pages(engine: _core.Engine) -> None:
    """64 forks of 4 pages: 256 pages if they were copied, the 64 of one slab hold them."""
    parent = engine.sequence()
    engine.step([(parent, TOKENS)], "none")
    before = slab(engine)
    forks = [parent.fork(n) for n in (200, 199, 130, 64) * 16]
    assert engine.kv_bytes == before
    # Writing copies one page: the last that is shared.
    for fork in forks[:50]:
        fork.truncate(min(fork.n_tokens, 190))
        engine.step([(fork, [5])], "none")
    assert engine.kv_bytes == before
    assert [f.n_tokens for f in forks[:4]] == [191, 191, 131, 65]


@pytest.mark.parametrize("n", EDGES)
def test_writes_are_not_seen_by_others(engine: _core.Engine, n: int) -> None:
    """Whoever writes first, parent or child."""
    left, right = TOKENS[10:30], TOKENS[60:80]
    expected = fresh(engine, TOKENS[:n] + left), fresh(engine, TOKENS[:n] + right)
    for child_first in (False, True):
        parent = engine.sequence()
        engine.step([(parent, TOKENS[:n])], "none")
        child = parent.fork(n)
        pair = [(parent, left, expected[0]), (child, right, expected[1])]
        for sequence, tokens, _ in pair[::-1] if child_first else pair:
            engine.step([(sequence, tokens[:-1])], "none")
        for sequence, tokens, logits in pair:
            assert same_bits(feed(engine, sequence, tokens[-1:]), logits)


@pytest.mark.parametrize("n", EDGES)
def test_a_fork_of_the_beginning(engine: _core.Engine, n: int) -> None:
    parent = engine.sequence()
    engine.step([(parent, TOKENS[:150])], "none")
    child = parent.fork(n)
    assert child.tokens == TOKENS[:n]
    assert same_bits(feed(engine, child, [3, 4]), fresh(engine, [*TOKENS[:n], 3, 4]))
    assert same_bits(feed(engine, parent, [9]), fresh(engine, [*TOKENS[:150], 9]))


def test_a_fork_outlives_its_parent(engine: _core.Engine) -> None:
    parent = engine.sequence()
    engine.step([(parent, TOKENS[:100])], "none")
    grandchild = parent.fork(90).fork(80)
    del parent
    fresh(engine, TOKENS[100:])  # takes pages that are free
    assert same_bits(feed(engine, grandchild, [1]), fresh(engine, [*TOKENS[:80], 1]))


@pytest.mark.parametrize("n", EDGES)
def test_truncate_and_go_on(engine: _core.Engine, n: int) -> None:
    sequence = engine.sequence()
    engine.step([(sequence, TOKENS[:n] + TOKENS[20:60])], "none")
    sequence.truncate(n)
    assert sequence.tokens == TOKENS[:n]
    got = feed(engine, sequence, TOKENS[n:190])
    assert same_bits(got, fresh(engine, TOKENS[:190]))


@pytest.mark.parametrize("n", [-1, 6, 2**31 - 1])
def test_tokens_that_are_not_there(engine: _core.Engine, n: int) -> None:
    sequence = engine.sequence()
    engine.step([(sequence, TOKENS[:5])])
    for method in (sequence.fork, sequence.truncate):
        with pytest.raises(IndexError, match=f"n_tokens is {n}, the sequence holds 5"):
            method(n)
    assert sequence.tokens == TOKENS[:5]


def test_pages_are_used_again(engine: _core.Engine) -> None:
    limit = slab(engine)
    for i in range(300):
        sequence = engine.sequence()
        engine.step([(sequence, TOKENS[i % 60 : i % 60 + 70])], "none")
        kept = sequence.fork(66)
        sequence.truncate(2)
        del sequence, kept
        assert engine.kv_bytes == limit


def test_many_sequences_take_more(engine: _core.Engine) -> None:
    one = slab(engine)
    sequences = [engine.sequence() for _ in range(65)]
    engine.step([(s, [1]) for s in sequences], "none")
    assert engine.kv_bytes == 2 * one
    del sequences
    more = [engine.sequence() for _ in range(128)]
    engine.step([(s, [1]) for s in more], "none")
    assert engine.kv_bytes == 2 * one


@pytest.mark.parametrize("seed", range(12))
def test_any_history(engine: _core.Engine, seed: int) -> None:
    """Steps, forks, cuts and ends in any order leave each text with its own keys and values."""
    rng = random.Random(seed)
    texts: list[tuple[_core.Sequence, list[int]]] = []
    for _ in range(150):
        action = rng.choice(["new", "step", "step", "step", "fork", "fork", "cut", "end"])
        if action == "new" or not texts:
            texts.append((engine.sequence(), []))
        i = rng.randrange(len(texts))
        sequence, tokens = texts[i]
        n = rng.randint(0, len(tokens))
        if action == "step":
            batch = rng.sample(texts, min(len(texts), rng.randint(1, 3)))
            parts = [
                [rng.randrange(100) for _ in range(rng.choice([1, 1, 2, 30, 70]))] for _ in batch
            ]
            parts = [p[: 190 - len(t)] for p, (_, t) in zip(parts, batch, strict=True)]
            engine.step([(s, p) for (s, _), p in zip(batch, parts, strict=True)], "none")
            for (_, text), part in zip(batch, parts, strict=True):
                text += part
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


OUT_OF_MEMORY = """
import resource, sys
from pestle import _core
from pestle.errors import MemoryLimitError

model = _core.Model(sys.argv[1], threads=1)
engine = _core.Engine(model, n_ctx=200, threads=1, kv_type="f32")
base = engine.sequence()
engine.step([(base, [1, 2, 3])])
expected = engine.logits().tobytes()
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (48 << 20), resource.RLIM_INFINITY))
others, last = [], base.fork(2)
try:
    for _ in range(100000):
        others.append(base.fork(2))
        engine.step([(others[-1], [3])], "none")  # copies a page
except MemoryLimitError as error:
    message = str(error)
else:
    sys.exit("there was no end of memory")
assert "MiB of memory left" in message, message
failed = others.pop()
assert failed.tokens == [1, 2], failed.tokens
others.pop()  # gives a page back
engine.step([(last, [3])])
assert engine.logits().tobytes() == expected
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits address space")
def test_out_of_memory(tmp_path: Path) -> None:
    """A step that gets no page raises, and the engine goes on once one is free."""
    case = CASES["llama-256"]
    path = gguf_file.write(tmp_path / "m.gguf", case, checkpoints.weights(case), "Q8_0")
    done = subprocess.run(
        [sys.executable, "-c", OUT_OF_MEMORY, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
