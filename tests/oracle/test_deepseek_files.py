"""DeepSeek's files differ with the converter that wrote them: the same model, the same logits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pestle.convert.names import NAME_MAPS

from tests.unit.engine.parts import Parts

from . import expected, gguf_file, running
from .checkpoints import CASES
from .conftest import TinyFile
from .gguf_metadata import metadata
from .test_formats import _allowed, _relative_error

LEGACY = ("deepseek3-ragged", "deepseek3-256", "deepseek2-lite")


def _logits(path: Path, tokens: list[int], chunk: int = 64) -> np.ndarray:
    run = running.engine(path)
    return running.feed(run, run.sequence(), tokens, chunk)


@pytest.mark.parametrize("chunk", [512, 1], ids=["prefill", "steps"])
@pytest.mark.parametrize("name", LEGACY)
def test_up_projections_in_one_piece(name: str, chunk: int, tmp_path: Path) -> None:
    case = CASES[name]
    parameters, tokens, answer = expected.load(case)
    path = gguf_file.write(tmp_path / "legacy.gguf", case, parameters, legacy=True)
    logits = _logits(path, tokens, chunk)[expected.positions(case)]
    atol = 1e-4 * abs(answer.logits).max()
    np.testing.assert_allclose(logits, answer.logits, rtol=0, atol=atol)


@pytest.mark.parametrize("type_name", ["F16", "Q8_0", "Q4_K"])
def test_quantized_up_projections_in_one_piece(type_name: str, tmp_path: Path) -> None:
    if type_name == "Q4_K":
        pytest.importorskip("libgguf", reason="quantizing to K types needs libgguf")
    case = CASES["deepseek3-256"]
    parameters, tokens, _ = expected.load(case)
    logits = []
    for widen in (False, True):
        path = tmp_path / f"{widen}.gguf"
        gguf_file.write(path, case, parameters, type_name, widen=widen, legacy=True)
        logits.append(_logits(path, tokens))
    assert _relative_error(*logits) < _allowed("deepseek3-256")


def test_layers_that_predict_further_tokens_are_skipped(
    tiny_file: TinyFile, tmp_path: Path
) -> None:
    case = CASES["deepseek3-busy"]
    parameters, tokens, _ = expected.load(case)
    tensors = gguf_file.gguf_weights(case, parameters)
    last, dim = case.config["num_hidden_layers"], case.config["hidden_size"]
    tensors |= {
        name.replace(f"blk.{last - 1}.", f"blk.{last}."): 2 * values
        for name, values in tensors.items()
        if name.startswith(f"blk.{last - 1}.")
    }
    for name, shape in {"eh_proj": (dim, 2 * dim), "enorm": (dim,), "hnorm": (dim,)}.items():
        tensors[f"blk.{last}.nextn.{name}.weight"] = np.ones(shape, np.float32)
    keys = metadata(case) | {"block_count": last + 1, "nextn_predict_layers": 1}
    parts = Parts(NAME_MAPS[case.model_type].architecture, keys, tensors)
    with_them = _logits(parts.write(tmp_path / "nextn.gguf"), tokens)
    assert with_them.tobytes() == _logits(tiny_file("deepseek3-busy"), tokens).tobytes()
