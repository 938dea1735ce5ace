"""Many chats of every kind at once: each is answered as if it were alone, to the bit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from load import storm
from load.exchange import Address
from pestle import LLM

from tests.structured.babblers import babbler

from .serving import Client

DIALECTS = [
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/messages",
    "/v1/responses",
    "/api/chat",
    "/api/generate",
]
N = 120
PAGE = 28_672  # bytes of keys and values of 64 tokens
MEMORY, KEPT = 200 * PAGE, 50 * PAGE  # of all texts, and of those that are over


@pytest.mark.slow
@pytest.mark.parametrize("family", ["qwen3", "harmony"])
def test_a_storm(family: str, tmp_path: Path, serve: Callable[..., Client]) -> None:
    """A real engine of random weights; a tenth of the clients leave, some never read.

    There is memory for one in ten of them at once.
    """
    asked = storm.chats(N, seed=7, dialects=DIALECTS, prefixes=12, longest=150, patience=0.3)
    with babbler(tmp_path / "tiny.gguf", family, kv_memory=MEMORY, prefix_cache=KEPT) as llm:
        address = Address(serve(llm).port)
        expected = asyncio.run(storm.alone(address, asked))
        for _ in range(2):
            report = asyncio.run(storm.together(address, asked, expected))
            assert report.wrong == []
            assert report.same + report.left + report.unread == N
            assert report.same > N * 0.8
            _assert_at_rest(llm)


def _assert_at_rest(llm: LLM) -> None:
    """Soon after the last client has gone nothing runs, and memory has what may be kept."""
    scheduler = llm._runtime.scheduler
    end = time.monotonic() + 20
    while not scheduler.idle and time.monotonic() < end:
        time.sleep(0.01)
    found = llm.activity()
    assert (found.running, found.waiting) == (0, 0)
    # One sequence stays, idle, for the next call.
    assert found.kv_used <= KEPT + 24 * PAGE
