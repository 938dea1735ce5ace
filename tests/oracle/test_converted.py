"""The whole way from a checkpoint's folder: the converter's file against `transformers`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pestle._core import GgufFile
from pestle.conversion import convert
from pestle.quantization import ModelFacts, mixture_types, quantize_rows

from . import checkpoint_folder, checkpoints, expected, gguf_file, running
from .checkpoints import CASES
from .gguf_metadata import metadata
from .test_logits import TOLERANCE


@pytest.mark.parametrize("name", CASES)
def test_logits(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    parameters, tokens, answer = expected.load(case)
    source = checkpoint_folder.write(tmp_path / "source", case, parameters)
    path = convert(source, tmp_path / "model.gguf", to="F32").paths[0]
    run = running.engine(path)
    logits = running.feed(run, run.sequence(), tokens, 512)[expected.positions(case)]
    atol = TOLERANCE * abs(answer.logits).max()
    np.testing.assert_allclose(logits, answer.logits, rtol=0, atol=atol)


@pytest.mark.parametrize("mixture", ["Q4_K_M", "BF16"])
@pytest.mark.parametrize("name", CASES)
def test_tensors(name: str, mixture: str, tmp_path: Path) -> None:
    """Read in pieces and quantized, they are what the whole tensors give."""
    case = CASES[name]
    parameters = checkpoints.weights(case)
    source = checkpoint_folder.write(tmp_path / "source", case, parameters)
    path = convert(source, tmp_path / "model.gguf", to=mixture).paths[0]
    wanted = gguf_file.gguf_weights(case, parameters)
    keys = metadata(case)
    facts = ModelFacts(
        keys["block_count"],
        keys["attention.head_count"],
        keys["attention.head_count_kv"],
        case.n_experts,
    )
    shapes = {tensor: values.shape for tensor, values in wanted.items()}
    types = mixture_types(mixture, shapes, facts)
    file = GgufFile(path)
    assert {t.name: (t.type, t.shape) for t in file.tensors} == {
        tensor: (types[tensor], values.shape[::-1]) for tensor, values in wanted.items()
    }
    for tensor, values in wanted.items():
        rows = values.reshape(-1, values.shape[-1])
        expected = quantize_rows(types[tensor], rows)
        assert file.read(tensor).tobytes() == expected.tobytes(), tensor
