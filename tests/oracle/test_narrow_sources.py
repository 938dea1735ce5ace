"""Checkpoints in FP8 and MXFP4: `transformers` reads the folder that the converter reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pestle.conversion import convert

from . import checkpoints, narrow_sources, running, transformers_model
from .checkpoints import CASES, Case
from .test_logits import TOLERANCE


@pytest.mark.live
@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("deepseek3-256", narrow_sources.write_fp8),
        ("gptoss-256", narrow_sources.write_mxfp4),
    ],
)
def test_logits(name: str, write: Callable[[Path, Case], Path], tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="transformers is the reference")
    transformers = pytest.importorskip("transformers", reason="it is the reference")
    pytest.importorskip("accelerate", reason="transformers needs it for these checkpoints")
    case = CASES[name]
    source = write(tmp_path / "source", case)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        source, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    tokens = checkpoints.tokens(case, case.n_tokens)
    expected = transformers_model.logits(model, tokens)
    run = running.engine(convert(source, tmp_path / "model.gguf", to="F32").paths[0])
    logits = running.feed(run, run.sequence(), tokens, 64)
    atol = TOLERANCE * abs(expected).max()
    np.testing.assert_allclose(logits, expected, rtol=0, atol=atol)
