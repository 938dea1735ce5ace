"""Small trained mixtures of experts: the loss on text that `transformers` computed for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pestle import _core
from pestle.conversion import convert

from tests.assets import path_of

LOSSES = {"qwen3moe": 1.5720, "gptoss": 1.8615, "deepseek_v3": 2.0304}
"""Nats per byte, in float32, by tests/data/README.md."""
WINDOW, N_WINDOWS = 512, 16


def _windows() -> list[list[int]]:
    """The first of the text that the models were not trained on; a token is a byte."""
    text = path_of("text/tinyshakespeare.txt").read_bytes()
    start = int(0.9 * len(text))
    return [list(text[start + i * WINDOW :][:WINDOW]) for i in range(N_WINDOWS)]


def _loss(path: Path) -> float:
    """Mean over the predictions of a window, then over windows."""
    run = _core.Engine(_core.Model(path), n_ctx=WINDOW, kv_type="f32")
    losses = []
    for window in _windows():
        run.step([(run.sequence(), window)], logits="all")
        logits = run.logits()[:-1].astype(np.float64)
        largest = logits.max(axis=1)
        log_sum = largest + np.log(np.exp(logits - largest[:, None]).sum(axis=1))
        losses.append((log_sum - logits[np.arange(WINDOW - 1), window[1:]]).mean())
    return float(np.mean(losses))


@pytest.mark.parametrize("name", LOSSES)
def test_loss(name: str, tmp_path: Path) -> None:
    """Converted from the checkpoint's folder, as it was saved."""
    source = path_of(f"trained/{name}")
    exact = _loss(convert(source, tmp_path / "f32.gguf", to="F32").paths[0])
    assert exact == pytest.approx(LOSSES[name], abs=0.5e-3)
    quantized = _loss(convert(source, tmp_path / "q8_0.gguf", to="Q8_0").paths[0])
    assert quantized == pytest.approx(exact, rel=0.5e-2)
