"""Hugging Face's tensor names and GGUF's, and what becomes of the values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from pestle.errors import FormatError
from pestle.huggingface.architectures import ARCHITECTURES
from pestle.tensors.transforms import interleave_halves

LAYERS = {"num_hidden_layers": 61}


def _names(model_type: str, *names: str, **config: Any) -> list[str]:
    tensors = ARCHITECTURES[model_type].tensors(names, LAYERS | config)
    return [tensor.name for tensor in tensors]


def _values(
    model_type: str, checkpoint: dict[str, np.ndarray], **config: Any
) -> dict[str, np.ndarray]:
    tensors = ARCHITECTURES[model_type].tensors(checkpoint, LAYERS | config)
    return {t.name: t.values(checkpoint.__getitem__, LAYERS | config) for t in tensors}


def _experts(projections: Iterable[str], n: int) -> dict[str, np.ndarray]:
    """Two rows of three columns each, all different."""
    names = [f"model.layers.1.mlp.experts.{e}.{p}.weight" for e in range(n) for p in projections]
    return {name: np.arange(6).reshape(2, 3) + 10 * i for i, name in enumerate(names)}


@pytest.mark.parametrize(
    ("theirs", "gguf"),
    [
        ("model.embed_tokens.weight", ["token_embd.weight"]),
        ("model.norm.weight", ["output_norm.weight"]),
        ("lm_head.weight", ["output.weight"]),
        ("model.layers.0.input_layernorm.weight", ["blk.0.attn_norm.weight"]),
        ("model.layers.17.self_attn.q_proj.bias", ["blk.17.attn_q.bias"]),
        ("model.layers.3.self_attn.o_proj.weight", ["blk.3.attn_output.weight"]),
        ("model.layers.0.self_attn.rotary_emb.inv_freq", []),
    ],
)
@pytest.mark.parametrize("model_type", ARCHITECTURES)
def test_names_that_all_have(model_type: str, theirs: str, gguf: list[str]) -> None:
    assert _names(model_type, theirs) == gguf


@pytest.mark.parametrize(
    ("model_type", "theirs", "gguf"),
    [
        ("llama", "post_attention_layernorm.weight", ["ffn_norm.weight"]),
        ("llama", "mlp.down_proj.weight", ["ffn_down.weight"]),
        ("qwen3", "self_attn.q_norm.weight", ["attn_q_norm.weight"]),
        ("qwen3_moe", "mlp.gate.weight", ["ffn_gate_inp.weight"]),
        ("gpt_oss", "post_attention_layernorm.weight", ["post_attention_norm.weight"]),
        ("gpt_oss", "self_attn.sinks", ["attn_sinks.weight"]),
        ("gpt_oss", "mlp.router.bias", ["ffn_gate_inp.bias"]),
        ("gpt_oss", "mlp.experts.down_proj_bias", ["ffn_down_exps.bias"]),
        ("deepseek_v2", "self_attn.q_proj.weight", ["attn_q.weight"]),
        ("deepseek_v3", "self_attn.q_a_layernorm.weight", ["attn_q_a_norm.weight"]),
        ("deepseek_v3", "self_attn.kv_a_proj_with_mqa.weight", ["attn_kv_a_mqa.weight"]),
        ("deepseek_v3", "self_attn.kv_b_proj.weight", ["attn_k_b.weight", "attn_v_b.weight"]),
        ("deepseek_v3", "mlp.gate.e_score_correction_bias", ["exp_probs_b.bias"]),
        ("deepseek_v3", "mlp.shared_experts.up_proj.weight", ["ffn_up_shexp.weight"]),
        ("gemma3", "post_attention_layernorm.weight", ["post_attention_norm.weight"]),
        ("gemma3", "pre_feedforward_layernorm.weight", ["ffn_norm.weight"]),
        ("gemma3_text", "post_feedforward_layernorm.weight", ["post_ffw_norm.weight"]),
    ],
)
def test_names_in_a_layer(model_type: str, theirs: str, gguf: list[str]) -> None:
    assert _names(model_type, f"model.layers.9.{theirs}") == [f"blk.9.{name}" for name in gguf]


@pytest.mark.parametrize(
    "name",
    [
        "model.layers.0.self_attn.sinks",
        "model.layers.x.mlp.up_proj.weight",
        "model.layers.0.mlp.up_proj.scale",
        "model.layers.0.mlp.experts.1.up_proj.weight",
        "model.norm",
        "vision_tower.embeddings.weight",
        "lm_head",
        "",
    ],
)
def test_an_unknown_tensor_is_named(name: str) -> None:
    with pytest.raises(KeyError) as error:
        _names("llama", name)
    assert error.value.args == (name,)


@pytest.mark.parametrize(
    ("model_type", "name"),
    [
        ("llama", "mlp.up_proj"),  # a module is no parameter
        ("gemma3", "self_attn.q_norm"),
        ("gpt_oss", "self_attn.sinks.weight"),  # and a parameter is no module
        ("qwen3_moe", "mlp.experts.down_proj.weight"),
        ("deepseek_v3", "mlp.gate.e_score_correction_bias.bias"),
    ],
)
def test_modules_and_parameters_are_told_apart(model_type: str, name: str) -> None:
    with pytest.raises(KeyError, match=name):
        _names(model_type, f"model.layers.0.{name}")


def test_a_tied_head_is_not_stored() -> None:
    assert _names("qwen3", "lm_head.weight", tie_word_embeddings=True) == []


def test_layers_that_predict_further_tokens_are_left_out() -> None:
    names = ["model.layers.60.input_layernorm.weight", "model.layers.61.eh_proj.weight"]
    assert _names("deepseek_v3", *names) == ["blk.60.attn_norm.weight"]
    with pytest.raises(KeyError, match="eh_proj"):
        _names("qwen3", names[1])


@pytest.mark.parametrize("prefix", ["", "language_model.", "model.language_model."])
def test_the_text_model_of_gemma(prefix: str) -> None:
    layer = "layers.2.mlp.up_proj.weight"
    names = [prefix + layer if prefix.startswith("model.") else f"{prefix}model.{layer}"]
    assert _names("gemma3", *names) == ["blk.2.ffn_up.weight"]
    assert _names("gemma3", "vision_tower.x.weight", "model.multi_modal_projector.y") == []


def test_halves_become_pairs_within_each_head() -> None:
    rows = np.arange(16)
    expected = [0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15]
    assert interleave_halves(rows, 2).tolist() == expected
    matrix = np.stack([rows, -rows], axis=1)
    assert interleave_halves(matrix, 2).tolist() == [[i, -i] for i in expected]


def test_only_llama_moves_the_rows_of_q_and_k() -> None:
    names = [
        f"model.layers.0.self_attn.{m}_proj.{kind}" for m in "qkv" for kind in ("weight", "bias")
    ]
    checkpoint = {name: np.arange(16) for name in names}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 4}
    q, k, v = (
        interleave_halves(np.arange(16), 2),
        interleave_halves(np.arange(16), 4),
        np.arange(16),
    )
    for model_type in ("llama", "qwen2", "qwen3"):
        expected = [q, q, k, k, v, v] if model_type == "llama" else [v] * 6
        for got, rows in zip(
            _values(model_type, checkpoint, **heads).values(), expected, strict=True
        ):
            assert got.tolist() == rows.tolist()


def test_rows_that_make_no_heads_are_refused() -> None:
    with pytest.raises(ValueError, match="10 rows do not make 3 heads"):
        interleave_halves(np.zeros(10), 3)
    with pytest.raises(ValueError, match="even size"):
        interleave_halves(np.zeros(9), 3)


def test_experts_are_stacked_in_the_order_of_their_numbers() -> None:
    checkpoint = _experts(["gate_proj", "up_proj"], 12)  # 10 and 11 behind 9, not behind 1
    shuffled = dict(sorted(checkpoint.items()))
    gate = _values("qwen3_moe", shuffled, num_experts=12)["blk.1.ffn_gate_exps.weight"]
    expected = [v.tolist() for name, v in checkpoint.items() if "gate" in name]
    assert gate.tolist() == expected


def test_fused_experts_of_qwen_are_the_stacked_ones() -> None:
    projections = ("gate_proj", "up_proj", "down_proj")
    apart = _experts(projections, 3)
    stacks = {p: np.stack([v for name, v in apart.items() if p in name]) for p in projections}
    fused = {
        "model.layers.1.mlp.experts.gate_up_proj": np.concatenate(
            [stacks["gate_proj"], stacks["up_proj"]], axis=1
        ),
        "model.layers.1.mlp.experts.down_proj": stacks["down_proj"],
    }
    expected = _values("qwen3_moe", apart, num_local_experts=3)
    got = _values("qwen3_moe", fused, num_local_experts=3)
    assert got.keys() == expected.keys()
    for name, values in expected.items():
        assert got[name].tolist() == values.tolist()


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_missing_expert_is_told(missing: int) -> None:
    checkpoint = _experts(["up_proj"], 3)
    del checkpoint[f"model.layers.1.mlp.experts.{missing}.up_proj.weight"]
    with pytest.raises(FormatError, match=r"blk.1.ffn_up_exps.weight needs experts 0 to 2"):
        _values("deepseek_v3", checkpoint, n_routed_experts=3)


@pytest.mark.parametrize("count", [2**31, 10**300, -1, 2.0])
def test_a_count_of_experts_that_cannot_be(count: Any) -> None:
    with pytest.raises(FormatError, match="expected a whole number, at most 1,000,000"):
        _values("deepseek_v3", _experts(["up_proj"], 3), n_routed_experts=count)
    with pytest.raises(FormatError, match=r"needs experts 0 to 999999, .* 0, 1, 2$"):
        _values("deepseek_v3", _experts(["up_proj"], 3), n_routed_experts=1_000_000)


@pytest.mark.parametrize("number", ["9" * 5000, "1" * 7, "\u0663"])
def test_a_number_in_a_name_that_cannot_be(number: str) -> None:
    stack = _experts(["up_proj"], 1)["model.layers.1.mlp.experts.0.up_proj.weight"]
    for name in (f"layers.{number}.mlp.experts.0", f"layers.1.mlp.experts.{number}"):
        with pytest.raises(KeyError):
            _values("deepseek_v3", {f"model.{name}.up_proj.weight": stack}, n_routed_experts=1)


def test_two_sources_of_one_tensor_are_refused() -> None:
    names = ["model.language_model.norm.weight", "language_model.model.norm.weight"]
    with pytest.raises(FormatError, match=r"are both output_norm.weight"):
        _names("gemma3", *names)


def test_experts_of_gpt_oss() -> None:
    """(expert, in, out) with gate and up in turn becomes rows of each."""
    e, i, o = np.ogrid[:2, :3, :8]
    layer = "model.layers.0.mlp.experts."
    checkpoint = {
        f"{layer}gate_up_proj": 100 * e + 10 * i + o,
        f"{layer}gate_up_proj_bias": (100 * e + o)[:, 0],
        f"{layer}down_proj": 100 * e + 10 * i + o,
    }
    got = _values("gpt_oss", checkpoint)
    out, into = np.ogrid[:4, :3]
    assert got["blk.0.ffn_gate_exps.weight"][1].tolist() == (100 + 10 * into + 2 * out).tolist()
    assert got["blk.0.ffn_up_exps.weight"][1].tolist() == (101 + 10 * into + 2 * out).tolist()
    assert got["blk.0.ffn_gate_exps.bias"].tolist() == [[0, 2, 4, 6], [100, 102, 104, 106]]
    assert got["blk.0.ffn_up_exps.bias"].tolist() == [[1, 3, 5, 7], [101, 103, 105, 107]]
    assert got["blk.0.ffn_down_exps.weight"].shape == (2, 8, 3)
    assert got["blk.0.ffn_down_exps.weight"][1, 7, 2] == 127


MLA = {"num_attention_heads": 2, "qk_nope_head_dim": 3, "v_head_dim": 4}


def test_the_latents_projection_is_split_into_keys_and_values() -> None:
    head, row, latent = np.ogrid[:2, :7, :5]
    rows = (100 * head + 10 * row + latent).reshape(14, 5)
    got = _values("deepseek_v3", {"model.layers.0.self_attn.kv_b_proj.weight": rows}, **MLA)
    keys, values = got["blk.0.attn_k_b.weight"], got["blk.0.attn_v_b.weight"]
    assert keys.shape == (2, 5, 3)  # transposed
    assert values.shape == (2, 4, 5)
    assert keys[1, 4, 2] == 124
    assert values[1, 0, 4] == 134  # behind the three keys


def test_a_projection_of_other_heads_is_refused() -> None:
    with pytest.raises(ValueError, match="15 rows do not make 2 heads of 3 keys and 4 values"):
        _values(
            "deepseek_v3", {"model.layers.0.self_attn.kv_b_proj.weight": np.zeros((15, 5))}, **MLA
        )


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_norms_of_gemma_gain_one(dtype: Any) -> None:
    checkpoint = {
        f"model.{name}.weight": np.array([-0.5, 0.25], dtype)
        for name in ("norm", "layers.0.self_attn.q_norm", "layers.0.post_attention_layernorm")
    }
    checkpoint["model.layers.0.mlp.up_proj.weight"] = np.zeros((1, 2), dtype)
    got = _values("gemma3_text", checkpoint)
    assert all(values.dtype == dtype for values in got.values())
    assert got.pop("blk.0.ffn_up.weight").tolist() == [[0, 0]]
    assert [values.tolist() for values in got.values()] == [[0.5, 1.25]] * 3
