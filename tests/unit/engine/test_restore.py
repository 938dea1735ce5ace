"""Keys and values that leave an engine and come back to another: the same bits, or refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pestle import ContextLengthError, _core

from tests.oracle import checkpoints, gguf_file
from tests.oracle.checkpoints import CASES

from .feeding import feed, fresh, same_bits

N = 450
Pages = dict[tuple[int, int], bytes]


@pytest.fixture(scope="module")
def latent(tmp_path_factory: pytest.TempPathFactory) -> _core.Model:
    case = CASES["deepseek2-lite"]
    path = tmp_path_factory.mktemp("latent") / "tiny.gguf"
    gguf_file.write(path, case, checkpoints.weights(case), "F32")
    return _core.Model(path, threads=1)


def engine_of(model: _core.Model, kv_type: str = "i16") -> _core.Engine:
    return _core.Engine(model, n_ctx=2 * N, threads=1, kv_type=kv_type)


def text(n: int) -> list[int]:
    return [(7 * i * i + 3 * i) % 97 for i in range(n)]


def pages_of(sequence: _core.Sequence, first: list[int]) -> Pages:
    count = -(-sequence.n_tokens // _core.KV_PAGE_TOKENS)
    return {
        (g, i): sequence.page(g, i)  # type: ignore[misc]
        for g, start in enumerate(first)
        for i in range(start, count)
    }


def written(engine: _core.Engine, tokens: list[int]) -> tuple[list[int], Pages]:
    sequence = engine.sequence()
    engine.step([(sequence, tokens)], "none")
    first = sequence.first_pages(len(tokens))
    return first, pages_of(sequence, first)


@pytest.mark.parametrize("kv_type", ["i16", "f16", "f32", "q8_0", "q8_0/f16"])
@pytest.mark.parametrize("name", ["model", "windowed", "latent"])
def test_the_same_bits(request: pytest.FixtureRequest, name: str, kv_type: str) -> None:
    model = request.getfixturevalue(name)
    first, pages = written(engine_of(model, kv_type), text(N))
    engine = engine_of(model, kv_type)
    for (group, _), page in pages.items():
        assert len(page) == engine.kv_groups[group][1]
    again = engine.restore(text(N), lambda group, index: pages.get((group, index)))
    assert again.tokens == text(N)
    assert pages_of(again, first) == pages
    more = text(N + 40)
    assert same_bits(feed(engine, again, more[N:]), fresh(engine, more))


def test_older_pages_of_a_window(windowed: _core.Model) -> None:
    """With those that a prompt needs which goes on from an earlier position, it can."""
    origin = _core.Engine(windowed, n_ctx=2 * N, threads=1, prefix_cache=1 << 20)
    sequence = origin.sequence(remembered=True)
    origin.step([(sequence, text(N))], "none")
    origin.keep(sequence)
    pages = pages_of(sequence, sequence.first_pages(N))
    earlier = origin.recall(text(200), 200)
    pages |= pages_of(earlier, earlier.first_pages(200))
    engine = _core.Engine(windowed, n_ctx=2 * N, threads=1, prefix_cache=1 << 20)
    again = engine.restore(text(N), lambda group, index: pages.get((group, index)))
    engine.keep(again)
    assert engine.find([*text(200), 98])[:2] == (200, 200)
    other = [*text(200), 98, 5]
    assert same_bits(feed(engine, engine.recall(other, 200), other[200:]), fresh(engine, other))
    assert same_bits(feed(engine, again, [98]), fresh(engine, [*text(N), 98]))


def test_what_a_window_has_left_is_not_there(windowed: _core.Model, window: int) -> None:
    engine = engine_of(windowed)
    sequence = engine.sequence()
    engine.step([(sequence, text(N))], "none")
    of_window = next(g for g, (w, _) in enumerate(engine.kv_groups) if w == window)
    assert sequence.page(of_window, 0) is None
    assert sequence.page(of_window, 99) is None
    assert sequence.first_pages(N)[of_window] == (N + 1 - window) // _core.KV_PAGE_TOKENS
    with pytest.raises(IndexError, match="no group 2"):
        sequence.page(2, 0)


def test_what_does_not_fit_is_refused(model: _core.Model) -> None:
    hundred = text(100)
    _, pages = written(engine_of(model), hundred)
    engine = engine_of(model)

    def restore(tokens: list[int] = hundred, pages: Pages = pages) -> None:
        engine.restore(tokens, lambda group, index: pages.get((group, index)))

    with pytest.raises(ValueError, match=r"page 1 of group 0 has 3 bytes, expected \d+"):
        restore(pages=pages | {(0, 1): b"abc"})
    with pytest.raises(ValueError, match="page 0 of group 0 is missing"):
        restore(pages={})
    with pytest.raises(ValueError, match="token 5000 is not in the vocabulary"):
        restore(tokens=[5000])
    with pytest.raises(ContextLengthError):
        restore(tokens=text(2 * N + 1))
    taken = engine.kv_bytes
    for _ in range(20):  # what was refused holds no page
        with pytest.raises(ValueError, match="has 3 bytes"):
            restore(pages=pages | {(0, 1): b"abc"})
    assert engine.kv_bytes == taken


UNDER_PRESSURE = """
import resource, sys
from pestle import _core

N = 4000
engine = _core.Engine(
    _core.Model(sys.argv[1], threads=1), n_ctx=2 * N, threads=1, kv_type="f32", prefix_cache=1 << 40
)
def text(first):
    return [first, *((7 * i * i + 3 * i) % 97 for i in range(N - 1))]
sequence = engine.sequence()
engine.step([(sequence, text(0))], "none")
pages = [sequence.page(0, i) for i in range(-(-N // _core.KV_PAGE_TOKENS))]
engine.step([(sequence, [5])])
expected = engine.logits().tobytes()
del sequence
for first in range(1, 4):
    kept = engine.sequence()
    engine.step([(kept, text(first))], "none")
    engine.keep(kept)
    del kept
kept = engine.kept_bytes
assert engine.kv_bytes - kept < len(pages) * len(pages[0]), "there is room anyway"
with open("/proc/self/statm") as file:
    used = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (4 << 20), resource.RLIM_INFINITY))
again = engine.restore(text(0), lambda group, index: pages[index])
assert 0 < engine.kept_bytes < kept  # no more than was needed
engine.step([(again, [5])])
assert engine.logits().tobytes() == expected
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits address space")
def test_kept_texts_make_room(tmp_path: Path) -> None:
    """As they do for a text that is read: what is restored would fit if it were read."""
    case = CASES["llama-256"]
    path = gguf_file.write(tmp_path / "m.gguf", case, checkpoints.weights(case), "Q8_0")
    done = subprocess.run(
        [sys.executable, "-c", UNDER_PRESSURE, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
