"""An engine that keeps within what it is given computes the same bits, or says what it lacks."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pestle import _core
from pestle.errors import MemoryLimitError

from .conftest import TinyFile

N_CTX, CHUNK = 700, 128
WANTED = ("last", "all", "none")
FAMILIES = (
    "llama-biases", "qwen2-yarn", "qwen3moe-yarn", "gptoss-busy", "deepseek2-lite",
    "deepseek3-ragged", "gemma3-linear",
)  # fmt: skip


def engine_of(path: Path, **options: Any) -> tuple[_core.Model, _core.Engine]:
    model = _core.Model(path)
    return model, _core.Engine(model, n_ctx=N_CTX, threads=2, chunk=CHUNK, **options)


def least_pass(path: Path) -> int:
    """What one row takes at the end of the context."""
    file = _core.GgufFile(path)
    return _core.footprint(file, n_ctx=N_CTX, threads=2, chunk=1).pass_memory


@pytest.mark.parametrize("name", FAMILIES)
def test_passes_in_less_memory(tiny_file: TinyFile, name: str) -> None:
    """Passes that do not fit are run in parts: for several texts, with logits, to the bit."""
    path = tiny_file(name)
    model, free = engine_of(path)
    _, tight = engine_of(path, pass_memory=least_pass(path))
    results = []
    for engine in (free, tight):
        texts = [engine.sequence() for _ in WANTED]
        rows = []
        for part in (range(150), range(150, 199), range(199, 200)):
            batch = [
                (text, [(7 * i + j) % model.n_vocab for j in part], wanted)
                for i, (text, wanted) in enumerate(zip(texts, WANTED, strict=True))
            ]
            engine.step(batch)
            rows.append(engine.logits())
        results.append((np.concatenate(rows).tobytes(), engine.expert_counts().tobytes()))
    assert results[0] == results[1]
    assert tight.workspace_bytes < free.workspace_bytes


def test_vectors_in_less_memory(tiny_file: TinyFile) -> None:
    path = tiny_file("qwen3-tied")
    model, free = engine_of(path)
    n = 40
    held = n * model.dim * 4  # the rows that are pooled, all at once
    _, tight = engine_of(path, pass_memory=least_pass(path) + held)
    vectors = []
    for engine in (free, tight):
        text, mean = engine.sequence(), engine.pooler("mean")
        engine.step([(text, [i % model.n_vocab for i in range(n)], mean)])
        vectors.append(mean.vector().tobytes())
    assert vectors[0] == vectors[1]
    assert tight.workspace_bytes < free.workspace_bytes


def test_a_row_that_does_not_fit(tiny_file: TinyFile) -> None:
    _, engine = engine_of(tiny_file("llama-tied"), pass_memory=1_000)
    text = engine.sequence()
    with pytest.raises(MemoryLimitError, match="the limit is 1000"):
        engine.step([(text, [1, 2, 3])])
    assert text.n_tokens == 0


def test_sums_of_inputs_are_of_every_row_once(tiny_file: TinyFile) -> None:
    """What has been heard of a part of a pass cannot be taken back, so no pass is run in parts."""
    path = tiny_file("llama-tied")
    _, engine = engine_of(path, pass_memory=least_pass(path), gather_inputs=True)
    text = engine.sequence()
    with pytest.raises(MemoryLimitError, match="a forward pass holds"):
        engine.step([(text, [1] * 100)])


def test_groups_of_layers_take_turns(tiny_file: TinyFile) -> None:
    """Many short texts and one long one want different shares for windows and for all positions."""
    path = tiny_file("gptoss-busy")
    told = _core.footprint(_core.GgufFile(path), n_ctx=N_CTX, chunk=CHUNK)
    _, engine = engine_of(path, kv_memory=3 * told.kv_pages)
    limit = 3 * told.kv_pages + told.kv_slack
    assert len(engine.kv_groups) == 2
    for _ in range(3):
        many = [engine.sequence() for _ in range(1000)]
        n = fill(engine, many)
        assert 3 < n < 1000
        assert engine.kv_used > 3 * told.kv_pages - told.kv_pages // 8
        assert engine.kv_bytes <= limit
        del many
        long = [engine.sequence() for _ in range(2)]
        engine.step([(text, [1] * N_CTX) for text in long])
        assert engine.kv_bytes <= limit
        del long
    assert engine.kv_used == 0


def fill(engine: _core.Engine, texts: list[_core.Sequence]) -> int:
    """Read three tokens of one text after the other; how many there is memory for."""
    n = 0
    with suppress(MemoryLimitError):
        for text in texts:
            engine.step([(text, [1, 2, 3])])
            n += 1
    return n
