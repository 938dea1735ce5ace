"""DeepSeek's files differ with the converter that wrote them: the same model, the same logits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pestle import _core
from pestle.errors import FormatError
from pestle.huggingface.architectures import ARCHITECTURES
from synthetic.gguf_file import contents
from synthetic.metadata import metadata as metadata_of
from synthetic.shapes import ExpertGroups, Experts, LatentAttention, Shape
from synthetic.tensors import tensors

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
    parts = Parts(ARCHITECTURES[case.model_type].name, keys, tensors)
    with_them = _logits(parts.write(tmp_path / "nextn.gguf"), tokens)
    assert with_them.tobytes() == _logits(tiny_file("deepseek3-busy"), tokens).tobytes()


def _shape(architecture_of: str) -> Shape:
    """As many layers and experts as the published model, all else tiny; one layer has experts."""
    layers, n_experts, groups = {"v3": (61, 256, (8, 4)), "v2": (60, 160, (8, 3))}[architecture_of]
    experts = Experts(n_experts, 6, 32, 1, layers - 1, 1.0, ExpertGroups(*groups))
    latent = LatentAttention(32, 16, 16, 32, q_lora_rank=32)
    return Shape(
        "deepseek2",
        32,
        32,
        layers,
        2,
        1,
        32,
        40,
        128,
        1e4,
        1e-6,
        False,
        None,
        None,
        experts,
        latent,
    )


@pytest.mark.parametrize("model", ["v3", "v2"])
def test_groups_that_an_older_file_does_not_state(model: str, tmp_path: Path) -> None:
    shape = _shape(model)
    stated = metadata_of(shape)
    if model == "v2":
        stated |= {"expert_gating_func": 1, "expert_weights_norm": False}
    weights = {t.name: contents(t, shape, "F32", 0).reshape(t.size[::-1]) for t in tensors(shape)}
    if model == "v2":
        del weights[f"blk.{shape.n_layers - 1}.exp_probs_b.bias"]
    logits, notes = [], []
    older = {k: v for k, v in stated.items() if not k.startswith("expert_group")}
    ungrouped = older | {"expert_group_count": 1, "expert_group_used_count": 1}
    for i, keys in enumerate((stated, older, ungrouped)):
        path = Parts("deepseek2", keys, weights).write(tmp_path / f"{i}.gguf")
        logits.append(_logits(path, list(range(40))).tobytes())
        notes.append(_core.Model(path, threads=1).notes)
    assert logits[1] == logits[0]
    assert logits[2] != logits[0]
    assert notes[0] == notes[2] == []
    kept = 4 if model == "v3" else 3
    assert len(notes[1]) == 1
    assert f"the best {kept} of 8 groups" in notes[1][0]


@pytest.mark.parametrize("name", ["deepseek3-busy", "deepseek2-lite"])
def test_a_score_that_the_file_does_not_state(
    name: str, tiny_file: TinyFile, tmp_path: Path
) -> None:
    """transformers 5 saves V3 without scoring_func; converters then leave the key out."""
    case = CASES[name]
    parameters, tokens, _ = expected.load(case)
    keys = metadata(case)
    del keys["expert_gating_func"]
    parts = Parts("deepseek2", keys, gguf_file.gguf_weights(case, parameters))
    path = parts.write(tmp_path / "unstated.gguf")
    assert _logits(path, tokens).tobytes() == _logits(tiny_file(name), tokens).tobytes()
    notes = _core.Model(path, threads=1).notes
    assert len(notes) == (1 if name == "deepseek3-busy" else 0)
    assert all("score; they do with a sigmoid" in note for note in notes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"expert_group_used_count": 0}, "cannot be chosen from the best 0 of 8 groups"),
        ({"expert_group_count": 7}, "cannot be chosen from the best 4 of 7 groups"),
        ({"expert_gating_func": 3}, "expert_gating_func is 3, expected 1 .softmax. or 2 .sigmoid."),
        ({"attention.kv_lora_rank": 0}, "kv_lora_rank 0, .* do not make latent attention"),
        ({"attention.key_length_mla": 16}, "do not make latent attention"),
        ({"nextn_predict_layers": 61}, "every layer predicts further tokens"),
        (
            {"attention.value_length_mla": 16},
            "attn_v_b.weight. has shape 32x32x2, expected 32x16x2",
        ),
    ],
)
def test_what_does_not_fit_together(change: dict[str, int], message: str, tmp_path: Path) -> None:
    shape = _shape("v3")
    weights = {t.name: contents(t, shape, "F32", 0).reshape(t.size[::-1]) for t in tensors(shape)}
    path = Parts("deepseek2", metadata_of(shape) | change, weights).write(tmp_path / "m.gguf")
    with pytest.raises(FormatError, match=message):
        _core.Model(path, threads=1)
