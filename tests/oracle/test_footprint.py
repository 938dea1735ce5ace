"""What a model takes is told by its header, to the byte."""

from __future__ import annotations

from typing import Any

import pytest
from pestle import _core

from .checkpoints import CASES
from .conftest import TinyFile

N_CTX, CHUNK = 1000, 96


@pytest.mark.parametrize(("kv_type", "threads"), [("f16", 1), ("q8_0/f32", 3)])
@pytest.mark.parametrize("name", CASES)
def test_every_family(tiny_file: TinyFile, name: str, kv_type: str, threads: int) -> None:
    """An engine that fills its context takes what the header has told."""
    path = tiny_file(name)
    options: dict[str, Any] = {
        "n_ctx": N_CTX,
        "threads": threads,
        "threads_prefill": threads + 1,
        "kv_type": kv_type,
        "chunk": CHUNK,
    }
    told = _core.footprint(_core.GgufFile(path), **options)
    model = _core.Model(path)
    engine = _core.Engine(model, **options)
    text, at, passes = engine.sequence(), 0, []
    for rows in (*[CHUNK] * 9, 36, CHUNK - 28, 1):
        engine.step([(text, [i % model.n_vocab for i in range(at, at + rows)])])
        passes.append((rows, at))
        at += rows
        largest = max(_core.pass_bytes(engine, *each) for each in passes)
        assert engine.workspace_bytes == largest
    text.truncate(N_CTX - CHUNK)
    engine.step([(text, [0] * CHUNK)])
    assert engine.workspace_bytes == max(largest, _core.pass_bytes(engine, CHUNK, N_CTX - CHUNK))
    assert told.workspace == max(
        _core.pass_bytes(engine, rows, N_CTX - rows) for rows in range(1, CHUNK + 1)
    )
    assert told.weights + told.experts == model.weight_bytes
    assert told.kv == engine.kv_bytes
    assert told.logits == -(-model.n_vocab // 32) * 32 * 4


@pytest.mark.parametrize("name", CASES)
def test_several_texts(tiny_file: TinyFile, name: str) -> None:
    model = _core.Model(tiny_file(name))
    engine = _core.Engine(model, n_ctx=600, threads=2)
    texts = [engine.sequence() for _ in range(5)]
    passes = []
    for rows, at in ((7, 0), (300 - 7, 7), (1, 300)):
        for first in (0, 5) if rows == 293 else (0,):
            some = texts[first : first + 1] if rows == 293 else texts
            engine.step([(text, [0] * rows, "all") for text in some])
        passes.append((rows, at))
    del passes
