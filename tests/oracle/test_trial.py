"""A plan's trial, whose experts are streamed, in a process of its own."""

from __future__ import annotations

import sys

from pestle import _core
from pestle.options import EngineOptions
from pestle.planning.trial import try_out

from .conftest import TinyFile


def test_a_trial_that_streams(tiny_file: TinyFile) -> None:
    path = tiny_file("qwen3moe-yarn", "Q8_0")
    layout = _core.expert_layout(_core.GgufFile(path))
    options = EngineOptions(n_ctx=128, threads=1)
    found = try_out(path, options, layout.bytes(layout.min_slots + 1))
    assert found.n_ctx == 128
    assert found.hits is not None
    assert 0 <= found.hits < 1
    assert found.decode > 0
    assert found.prefill > 0
    assert (found.peak is None) == (sys.platform == "win32")
