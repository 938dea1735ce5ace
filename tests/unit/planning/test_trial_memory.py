"""The memory that is predicted beside what a process then holds, for shapes whose parts differ."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pestle import _core
from pestle.footprint import footprint
from pestle.options import EngineOptions
from pestle.planning.trial import trial_options, try_out
from synthetic import gguf_file, vocabulary
from synthetic.shapes import Experts, Shape

from tests.unit.sessions.models import write

ALLOWED = 64 << 20
SHAPES = {
    # The tokenizer and logits, keys and values, weights: the most of what each takes.
    "vocabulary": Shape("gemma3", 64, 96, 1, 4, 1, 32, 262144, 1024, 1e6, 1e-6, window=512),
    "heads": Shape("llama", 256, 256, 6, 32, 32, 64, 1024, 1024, 1e4, 1e-5),
    "experts": Shape(
        "qwen3moe", 512, 512, 2, 8, 2, 64, 512, 1024, 1e6, 1e-6, experts=Experts(64, 2, 512)
    ),
}


@pytest.mark.skipif(sys.platform == "win32", reason="the system does not tell the peak")
@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_predicted_and_measured(name: str, tmp_path: Path) -> None:
    tokenizer = vocabulary.read(write(tmp_path / "tokenizer.gguf"))
    path = tmp_path / "outline.gguf"
    gguf_file.write_outline(path, SHAPES[name], "Q8_0", tokenizer, pure=True)
    options = trial_options(EngineOptions(threads=2), SHAPES[name].n_ctx)
    told, found = footprint(_core.GgufFile(path), options), try_out(path, options)
    assert found.peak is not None
    assert found.n_ctx == told.n_ctx
    assert 0 <= told.total - found.peak <= ALLOWED
