"""What is measured, and that the model is put back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pestle._core import GgufFile
from pestle.conversion import convert
from pestle.quantization import quantize_rows
from pestle.quantization.budget import assume, measure
from pestle.quantization.budget.distortion import (
    CANDIDATES,
    ErrorWeights,
    distortions,
    fitting,
    matrices_of,
    rounded,
)
from pestle.quantization.budget.probing import Probe
from pestle.quantization.budget.sensitivity import probe_type
from pestle.tensors.source_tensor import stored_tensors

from tests.oracle import checkpoint_folder, checkpoints, gguf_file
from tests.oracle.checkpoints import CASES

CASE = CASES["llama-256"]
TEXT = "".join("abcdefghij"[i] for i in np.random.Philox(6).random_raw(600) % 10)
NAMES = ["blk.0.attn_q.weight", "blk.1.ffn_down.weight", "output.weight"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    source = checkpoint_folder.write(tmp_path / "source", CASE, checkpoints.weights(CASE))
    return convert(source, tmp_path / "floats.gguf", to="BF16").paths[0]


def test_measuring(model: Path) -> None:
    before = model.read_bytes()
    found = measure(model, NAMES, 4.5, text=TEXT, threads=1)
    assert model.read_bytes() == before
    assert measure(model, NAMES, 4.5, text=TEXT, threads=3) == found
    assert [sensitivity.tensors for sensitivity in found.measured] == [(name,) for name in NAMES]
    assert all(sensitivity.divergence > 0 for sensitivity in found.measured)
    assert found.n_tokens == 512
    one = measure(model, NAMES, 4.5, text=TEXT, most_probes=1)  # kinds are never put together
    assert len(one.measured) == 3


def test_weights_that_a_type_holds_exactly(model: Path) -> None:
    """A probe that changes nothing would tell nothing: all types would seem to be free."""
    stored = stored_tensors(GgufFile(model))[0]
    tensor = next(tensor for tensor in stored if tensor.name == NAMES[0])
    exact = rounded("Q4_1", rounded("BF16", matrices_of(model, tensor), None), None)
    found = distortions(exact, ErrorWeights(None, np.ones((1, 256))))
    probed = probe_type(found, tensor, 6.0)
    assert next(d for d in found if d.type == "Q4_1").error < probed.error / 100


def test_the_divergence_grows_with_the_error(model: Path) -> None:
    """As the choice takes it to: in proportion to the squared error, while that is small."""
    probe = Probe(model, TEXT)
    weights = gguf_file.gguf_weights(CASE, checkpoints.weights(CASE))[NAMES[1]][None]
    noise = np.random.default_rng(1).standard_normal(weights.shape, np.float32)
    noise *= np.abs(weights).mean() / 10
    once, twice = (probe.divergence({NAMES[1]: weights + k * noise}) for k in (1, 2))
    assert twice == pytest.approx(4 * once, rel=0.1)
    assert probe.divergence({}) == 0


def test_distortions() -> None:
    matrices = np.random.default_rng(2).standard_normal((2, 64, 256), np.float32)
    counts = np.ones((2, 256))
    counts[1] = 0
    found = distortions(matrices, ErrorWeights(None, counts))
    assert [d.type for d in found] == list(CANDIDATES)
    for distortion in found:
        quantized = quantize_rows(distortion.type, matrices.reshape(-1, 256))
        assert distortion.nbytes == quantized.nbytes
        after = rounded(distortion.type, matrices, None)
        expected = np.square(after[0] - matrices[0], dtype=np.float64).sum()  # the other is unused
        assert distortion.error == pytest.approx(expected, rel=1e-4)
    sampled = distortions(matrices, ErrorWeights(None, counts), sample=16 * 256)
    for some, whole in zip(sampled, found, strict=True):
        assert some.error == pytest.approx(whole.error, rel=0.3)


def test_types_fit() -> None:
    assert list(fitting(256)) == list(CANDIDATES)
    assert set(fitting(96)) == {
        "MXFP4", "IQ4_NL", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "F16", "BF16",
    }  # fmt: skip
    assert list(fitting(33)) == ["F16", "BF16"]
    large = np.full((1, 4, 32), 1e5, np.float32)
    kinds = {d.type for d in distortions(large, ErrorWeights(None, np.ones((1, 32))))}
    assert kinds == {"MXFP4", "BF16"}  # the scales of all others are halves


def test_importance_is_what_the_quantizers_are_told() -> None:
    matrices = np.random.default_rng(3).standard_normal((2, 64, 256), np.float32)
    counts = np.random.default_rng(4).lognormal(0, 2, (2, 256))
    plain = distortions(matrices, ErrorWeights(None, counts))
    told = distortions(matrices, ErrorWeights(counts.astype(np.float32), counts))
    for without, weighted in zip(plain, told, strict=True):
        if without.type in ("F16", "BF16"):
            assert weighted.error == without.error
        elif without.type not in ("Q8_0", "MXFP4"):  # which leave little to gain
            assert weighted.error < 0.9 * without.error


def test_typical_sensitivities() -> None:
    found = assume({"blk.0.attn_v.weight": (64, 256), "blk.0.attn_k_b.weight": (4, 64, 33)})
    v, k_b = found.tensors
    assert [c.type for c in k_b.candidates] == ["F16", "BF16"]
    losses = {c.type: c.loss for c in v.candidates}
    assert losses["Q2_K"] > losses["Q4_K"] > losses["Q6_K"] > losses["F16"]
    assert len(found.digest) == 64
