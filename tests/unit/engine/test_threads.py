"""Threads: counts of their own for prompts and decoding, sleep in between, more than cores."""

from __future__ import annotations

import time
from typing import Any

import pytest
from pestle import _core

from .feeding import TOKENS, feed


def run(model: _core.Model, pauses: tuple[float, ...], **threads: Any) -> list[bytes]:
    """Two prompts, each followed by decoded tokens, with time to fall asleep in between."""
    engine = _core.Engine(model, n_ctx=256, **threads)
    logits = []
    for start in (0, 60):
        sequence = engine.sequence()
        logits.append(feed(engine, sequence, TOKENS[start : start + 50]).tobytes())
        for i, pause in enumerate(pauses):
            time.sleep(pause)
            logits.append(feed(engine, sequence, [TOKENS[start + 50 + i]]).tobytes())
    return logits


@pytest.mark.parametrize(
    ("threads", "threads_prefill"), [(1, 1), (1, 4), (4, 1), (2, 3), (3, 2), (16, 16)]
)
def test_counts_of_the_two_phases(model: _core.Model, threads: int, threads_prefill: int) -> None:
    """More threads at a time wake those that the other phase left asleep; no bit changes."""
    pauses = (0.0, 0.003, 0.0, 0.0002, 0.001)
    expected = run(model, pauses, threads=1)
    for _ in range(5):
        assert run(model, pauses, threads=threads, threads_prefill=threads_prefill) == expected


def test_engines_come_and_go(model: _core.Model) -> None:
    """Threads end in any state: never run, spinning, asleep, not taking part."""
    for i in range(40):
        engine = _core.Engine(model, n_ctx=256, threads=1 + i % 3, threads_prefill=3)
        if i % 2:
            feed(engine, engine.sequence(), TOKENS[:20])
        if i % 4 == 3:
            time.sleep(0.002)
        del engine
