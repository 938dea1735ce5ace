"""Gathering: what is counted, and that threads and passes decide no bit of it.

tests/oracle/test_imatrix.py compares the sums with `transformers`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pestle import _core
from pestle.conversion import convert
from pestle.errors import Error
from pestle.quantization.importance import ImportanceMatrix, calibration_text, coverage, gather
from pestle.quantization.importance.gathering import sums_of

from tests.oracle import checkpoint_folder, checkpoints, gguf_file
from tests.oracle.checkpoints import CASES

CASE = CASES["qwen3moe-256"]
TOKENS = checkpoints.tokens(CASE, 90, stream=3)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> _core.Model:
    path = tmp_path_factory.mktemp("imatrix") / "tiny.gguf"
    gguf_file.write(path, CASE, checkpoints.weights(CASE), "Q8_0")
    return _core.Model(path, threads=1)


def _gathered(model: _core.Model, step: int = 512, **settings: int) -> _core.Engine:
    engine = _core.Engine(model, n_ctx=128, kv_type="f32", gather_inputs=True, **settings)
    sequence = engine.sequence()
    for start in range(0, len(TOKENS), step):
        engine.step([(sequence, TOKENS[start : start + step])], "all")
    return engine


@pytest.fixture(scope="module")
def engine(model: _core.Model) -> _core.Engine:
    return _gathered(model, threads=1)


@pytest.mark.parametrize(("threads", "chunk", "step"), [(1, 7, 512), (3, 512, 1), (2, 64, 33)])
def test_the_same_bits(
    model: _core.Model, engine: _core.Engine, threads: int, chunk: int, step: int
) -> None:
    expected = engine.input_sums()
    found = _gathered(model, step, threads=threads, chunk=chunk).input_sums()
    assert list(found) == list(expected)
    for name, (squares, counts) in expected.items():
        assert found[name][0].tobytes() == squares.tobytes(), name
        assert found[name][1].tolist() == counts.tolist(), name


def test_nothing_else_changes(model: _core.Model, engine: _core.Engine) -> None:
    plain = _core.Engine(model, n_ctx=128, threads=1, kv_type="f32")
    plain.step([(plain.sequence(), TOKENS)], "all")
    assert plain.logits().tobytes() == engine.logits().tobytes()
    with pytest.raises(ValueError, match="made without gather_inputs"):
        plain.input_sums()


def test_experts_count_their_tokens(engine: _core.Engine) -> None:
    served, sums = engine.expert_counts(), engine.input_sums()
    for layer, counts in enumerate(served):
        for part in ("gate", "up", "down"):
            squares, rows = sums[f"blk.{layer}.ffn_{part}_exps.weight"]
            assert rows.tolist() == counts.tolist()
            assert ((squares > 0).any(axis=1) == (counts > 0)).all()
    assert sums["blk.0.ffn_gate_inp.weight"][1].tolist() == [len(TOKENS)]


def test_the_first_layer_s_inputs(engine: _core.Engine) -> None:
    """Normed embeddings, computed here from the weights."""
    weights = gguf_file.gguf_weights(CASE, checkpoints.weights(CASE))
    rows = _core.kernels.PackedMatrix(
        "Q8_0", gguf_file.encode(weights["token_embd.weight"], "Q8_0"), 256
    ).unpack()[TOKENS]
    rows = rows / np.sqrt((rows.astype(np.float64) ** 2).mean(axis=1, keepdims=True) + 1e-6)
    expected = ((rows * weights["blk.0.attn_norm.weight"]) ** 2).sum(axis=0)
    for part in "qkv":
        squares, _ = engine.input_sums()[f"blk.0.attn_{part}.weight"]
        np.testing.assert_allclose(squares[0], expected, rtol=1e-4)


def test_inputs_that_are_not_finite(tmp_path: Path) -> None:
    weights = checkpoints.weights(CASE)
    weights["model.layers.1.input_layernorm.weight"][3] = np.inf
    path = gguf_file.write(tmp_path / "damaged.gguf", CASE, weights)
    with pytest.raises(Error, match=r"inputs of `blk.1.attn_\w+.weight` are not finite"):
        sums_of(_gathered(_core.Model(path, threads=1), threads=1))


def test_coverage(engine: _core.Engine) -> None:
    matrix = ImportanceMatrix(sums_of(engine))
    shapes = {f"{name}.weight": (256, 256) for name in ("blk.0.attn_q", "blk.7.attn_q")}
    found = coverage(matrix, shapes, few_rows=25)
    assert found.missing == ("blk.7.attn_q.weight",)
    served = engine.expert_counts()
    assert [(of.layer, of.few, of.unseen, of.fewest_rows) for of in found.experts] == [
        (layer, (counts < 25).sum(), (counts == 0).sum(), counts.min())
        for layer, counts in enumerate(served)
    ]


def test_a_file(tmp_path: Path) -> None:
    case = CASES["llama-tied"]
    source = checkpoint_folder.write(tmp_path / "source", case, checkpoints.weights(case))
    path = convert(source, tmp_path / "model.gguf", to="F16").paths[0]
    found = gather(path, "abc" * 90, name="ab", chunk_size=16, chunks=3)
    assert (found.matrix.datasets, found.matrix.chunks, found.n_tokens) == (("ab",), 3, 48)
    assert not found.coverage.missing  # of the tied embedding, its part as the output layer
    assert {of.counts.tolist()[0] for of in found.matrix.tensors.values()} == {48}
    with pytest.raises(Error, match="fewer than one chunk of 512"):
        gather(path, "ab")


def test_the_calibration_text() -> None:
    text = calibration_text()
    assert len(text) > 15_000
    assert "\ufffd" not in text
