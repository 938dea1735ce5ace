"""The whole way from a checkpoint's folder: the converter's file against `transformers`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pestle.convert import convert

from . import checkpoint_folder, checkpoints, expected, gguf_file, running
from .checkpoints import CASES
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


@pytest.mark.parametrize("name", CASES)
def test_tensors(name: str, tmp_path: Path) -> None:
    import gguf

    case = CASES[name]
    parameters = checkpoints.weights(case)
    source = checkpoint_folder.write(tmp_path / "source", case, parameters)
    path = convert(source, tmp_path / "model.gguf", to="Q8_0").paths[0]
    wanted = gguf_file.gguf_weights(case, parameters)
    found = {t.name: t for t in gguf.GGUFReader(path).tensors}
    assert found.keys() == wanted.keys()
    for tensor, values in wanted.items():
        kind = gguf_file.stored_type(tensor, values, "Q8_0")
        assert found[tensor].tensor_type.name == kind, tensor
        assert found[tensor].shape.tolist() == list(reversed(values.shape)), tensor
        data = gguf_file.encode(values, kind)
        assert found[tensor].data.tobytes() == data.tobytes(), tensor
