"""The same comparison, live and on tokens that nobody committed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from . import checkpoints, gguf_file, running, transformers_model
from .checkpoints import CASES
from .test_logits import TOLERANCE, TOLERANCE_F16_CACHE

pytestmark = pytest.mark.live
Reference = Callable[[Any, list[int]], np.ndarray]


@pytest.mark.parametrize("name", CASES)
def test_transformers(name: str, tmp_path: Path) -> None:
    pytest.importorskip("transformers", minversion="5.24", reason="transformers is not installed")
    pytest.importorskip("torch", reason="torch is not installed")
    case = CASES[name]
    parameters = checkpoints.weights(case)
    tokens = checkpoints.tokens(case, 200, stream=1)
    model = transformers_model.load(case, parameters)
    path = gguf_file.write(tmp_path / "tiny.gguf", case, parameters)
    compared: list[tuple[str, Reference, float]] = [("f32", transformers_model.logits, TOLERANCE)]
    if not case.n_experts:  # of any tokens some come close to a tie of experts, which f16 may turn
        f16 = ("f16", transformers_model.logits_with_f16_cache, TOLERANCE_F16_CACHE)
        compared.append(f16)
    for kv_type, reference, tolerance in compared:
        answer = reference(model, tokens)
        run = running.engine(path, kv_type=kv_type)
        logits = running.feed(run, run.sequence(), tokens, 64)
        atol = tolerance * abs(answer).max()
        np.testing.assert_allclose(logits, answer, rtol=0, atol=atol, err_msg=kv_type)
