"""The same comparison, live and on tokens that nobody committed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from . import checkpoints, gguf_file, running, transformers_model
from .checkpoints import CASES

pytestmark = pytest.mark.live


@pytest.mark.parametrize("name", CASES)
def test_transformers(name: str, tmp_path: Path) -> None:
    pytest.importorskip("transformers", minversion="5.0", reason="transformers is not installed")
    pytest.importorskip("torch", reason="torch is not installed")
    case = CASES[name]
    parameters = checkpoints.weights(case)
    tokens = checkpoints.tokens(case, 200, stream=1)
    exact = transformers_model.logits(transformers_model.load(case, parameters), tokens)
    run = running.engine(gguf_file.write(tmp_path / "tiny.gguf", case, parameters))
    logits = running.feed(run, run.sequence(), tokens, 64)
    np.testing.assert_allclose(logits, exact, rtol=0, atol=1e-4 * abs(exact).max())
