"""Types by measured sensitivity against a mixture of the same size, on trained models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pestle import _core
from pestle.conversion import Target, convert
from pestle.quality import divergence

from tests.assets import path_of

WINDOW = 256


def _logits(path: Path, text: bytes) -> np.ndarray:
    """Of pieces of text that training did not see; a token is a byte."""
    engine = _core.Engine(_core.Model(path), n_ctx=WINDOW, kv_type="f32")
    found = []
    for start in range(0, 4 * WINDOW, WINDOW):
        engine.step([(engine.sequence(), list(text[start : start + WINDOW]))], "all")
        found.append(engine.logits())
    return np.concatenate(found)


@pytest.mark.parametrize(
    "name",
    ["qwen3moe", *(pytest.param(n, marks=pytest.mark.slow) for n in ("gptoss", "deepseek_v3"))],
)
def test_less_divergence_than_the_mixture(name: str, tmp_path: Path) -> None:
    source, text = path_of(f"trained/{name}"), path_of("text/tinyshakespeare.txt").read_bytes()
    reference = convert(source, tmp_path / "bf16.gguf", to="BF16").paths[0]
    fixed = convert(source, tmp_path / "fixed.gguf", to="Q4_K_M").paths[0]
    target = Target(size=fixed.stat().st_size, text=text[200_000:210_000].decode())
    chosen = convert(source, tmp_path / "chosen.gguf", to=target).paths[0]
    assert chosen.stat().st_size <= fixed.stat().st_size
    unseen = text[int(0.9 * len(text)) :]
    expected = _logits(reference, unseen)
    losses = [divergence(expected, _logits(path, unseen)).mean() for path in (fixed, chosen)]
    assert losses[1] < 0.9 * losses[0]
