"""config.json of transformers 4 and 5, and what GGUF says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pestle.errors import FormatError, UnsupportedError
from pestle.huggingface import ModelConfig
from pestle.huggingface.architectures import architecture_keys
from pestle.huggingface.metadata import rope_divisors

from tests.oracle.checkpoints import CASES

BASE: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 12,
    "num_attention_heads": 4,
    "vocab_size": 100,
    "max_position_embeddings": 4096,
    "rms_norm_eps": 1e-5,
}

LLAMA3 = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}  # fmt: skip


def keys(architecture: str, **changes: Any) -> dict[str, Any]:
    return architecture_keys(architecture, ModelConfig({**BASE, **changes}))


YARN = {"factor": 4.0, "original_max_position_embeddings": 1024}


@pytest.mark.parametrize(
    ("version_4", "version_5"),
    [
        ({}, {"rope_type": "default", "rope_theta": 10000.0}),
        ({"rope_theta": 5e5}, {"rope_type": "default", "rope_theta": 5e5}),
        (
            {"rope_theta": 5e5, "rope_scaling": {"type": "linear", "factor": 2.0}},
            {"rope_type": "linear", "rope_theta": 5e5, "factor": 2.0},
        ),
        (
            {"rope_theta": 1e6, "rope_scaling": {"rope_type": "yarn", **YARN}},
            {"rope_type": "yarn", "rope_theta": 1e6, **YARN},
        ),
    ],
)
def test_both_versions_say_the_same(version_4: Any, version_5: Any) -> None:
    assert keys("llama", **version_4) == keys("llama", rope_parameters=version_5)


def test_gemma_of_both_versions() -> None:
    scaling = {"factor": 8.0, "rope_type": "linear"}
    text = {"model_type": "gemma3_text", "hidden_size": 2560, "num_hidden_layers": 34}
    old = {"model_type": "gemma3", "text_config": {**text, "rope_scaling": scaling}}
    new = {
        "model_type": "gemma3_text",
        **text,
        "num_attention_heads": 8,
        "head_dim": 256,
        "query_pre_attn_scalar": 256,
        "rope_parameters": {
            "full_attention": {**scaling, "rope_theta": 1e6},
            "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
        },
    }
    found = [architecture_keys("gemma3", ModelConfig(config)) for config in (old, new)]
    assert found[0] == found[1]
    assert found[0]["attention.key_length"] == 256  # the default of transformers' class
    assert found[0]["rope.freq_base"] == 1e6
    assert found[0]["rope.freq_base_swa"] == 1e4
    assert found[0]["rope.scaling.factor"] == 8
    assert "attention.sliding_window_pattern" not in found[0]


def test_a_pattern_of_its_own_is_stated() -> None:
    config = {**BASE, "model_type": "gpt_oss", "sliding_window": 8, "num_local_experts": 2}
    config |= {"num_experts_per_tok": 1, "layer_types": ["full_attention"] * 12}
    found = architecture_keys("gpt-oss", ModelConfig(config))
    assert found["attention.sliding_window_pattern"] == [False] * 12


def test_the_size_of_heads() -> None:
    assert keys("llama")["attention.key_length"] == 16
    assert keys("llama", head_dim=32)["attention.key_length"] == 32
    assert keys("llama", num_key_value_heads=2)["attention.head_count_kv"] == 2


def test_divisors_of_llama_3() -> None:
    """The bounds of Llama 3.1: short waves stay, long ones are stretched by 8."""
    config = ModelConfig({**BASE, "head_dim": 128, "rope_theta": 5e5, "rope_scaling": LLAMA3})
    divisors = rope_divisors(config)
    assert divisors is not None
    assert divisors.shape == (64,)
    waves = 2 * np.pi * 5e5 ** (np.arange(64) / 64)
    assert (divisors[waves < 8192 / 4] == 1).all()
    assert (divisors[waves > 8192] == 8).all()
    between = divisors[(waves > 2048) & (waves < 8192)]
    assert ((between > 1) & (between < 8) & (np.diff(between, prepend=1) > 0)).all()
    assert rope_divisors(ModelConfig(BASE)) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"rope_scaling": {**LLAMA3, "factor": 0.0}},
        {"rope_scaling": {**LLAMA3, "high_freq_factor": 1.0}},
        {"rope_scaling": {**LLAMA3, "low_freq_factor": 0}},
        {"rope_scaling": LLAMA3, "rope_theta": -1.0},
        {"rope_scaling": LLAMA3, "head_dim": 2**30},
    ],
)
def test_divisors_of_nonsense(changes: Any) -> None:
    with pytest.raises(FormatError, match=r"rope_parameters|head_dim"):
        rope_divisors(ModelConfig({**BASE, **changes}))


@pytest.mark.parametrize(
    ("architecture", "changes", "message"),
    [
        ("llama", {"rope_scaling": {"type": "dynamic", "factor": 2.0}}, "rope type 'dynamic'"),
        ("llama", {"rope_scaling": {"type": "yarn", **YARN, "truncate": False}}, "truncate"),
        ("llama", {"rope_scaling": {"type": "yarn", **YARN, "attention_factor": 2.0}}, "is 2.0"),
        ("llama", {"rope_parameters": {"partial_rotary_factor": 0.5}}, "only a part"),
        ("llama", {"hidden_act": "gelu"}, "`hidden_act` is 'gelu'"),
        ("llama", {"model_type": "mistral", "sliding_window": 4096}, "`sliding_window` is 4096"),
        ("qwen2", {"use_sliding_window": True, "layer_types": ["sliding_attention"] * 12}, "use_"),
        ("qwen3moe", {"norm_topk_prob": False}, "`norm_topk_prob` is False"),
        ("qwen3moe", {"decoder_sparse_step": 2}, "decoder_sparse_step"),
        ("qwen3moe", {"mlp_only_layers": [3]}, "mlp_only_layers"),
        ("gemma3", {"model_type": "gemma3_text", "query_pre_attn_scalar": 5}, "query_pre_attn"),
        ("gemma3", {"model_type": "gemma3_text", "final_logit_softcapping": 30.0}, "softcapping"),
        ("gpt-oss", {"swiglu_limit": 9.0}, "swiglu_limit"),
    ],
)
def test_what_gguf_cannot_express(architecture: str, changes: Any, message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        keys(architecture, **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": None}, "`hidden_size` is None, expected a whole number"),
        ({"num_attention_heads": "4"}, "`num_attention_heads` is '4'"),
        ({"num_attention_heads": 0}, "`num_attention_heads` is 0, expected a positive"),
        (
            {"num_hidden_layers": 2**31 - 1},
            "`num_hidden_layers` is 2147483647, expected at",
        ),
        ({"head_dim": 2**31 - 1}, "`head_dim` is 2147483647, expected at most 65,536"),
        ({"rope_scaling": "yarn"}, "rotary parameters are 'yarn', expected an object"),
        ({"vocab_size": -1}, "`vocab_size` is -1"),
        ({"vocab_size": True}, "`vocab_size` is True"),
        ({"rms_norm_eps": float("nan")}, "`rms_norm_eps` is nan, expected a number"),
        ({"rope_scaling": {"type": "linear"}}, "a number for `factor`"),
        ({"rope_parameters": {"rope_theta": "x"}}, "a number for `rope_theta`"),
    ],
)
def test_configs_that_are_wrong(changes: Any, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        architecture_keys("llama", ModelConfig({**BASE, **changes}, Path("x/config.json")))


def test_magnitudes_of_yarn_that_differ() -> None:
    """Both are named in full; a whole object of parameters would be cut."""
    config = CASES["deepseek3-ragged"].config
    rope = {**(config.get("rope_parameters") or config["rope_scaling"]), "mscale": 0.707}
    changed = {**config, "rope_parameters": rope, "rope_scaling": rope}
    with pytest.raises(UnsupportedError) as raised:
        architecture_keys("deepseek2", ModelConfig(changed))
    assert str(raised.value).endswith(
        "`rope_parameters` has mscale 0.707 and mscale_all_dim 1.0, expected them to be equal and "
        "not 0"
    )


def test_what_was_found_is_cut_visibly() -> None:
    with pytest.raises(FormatError, match=r"`hidden_size` is \[1, 1, .{40,50}\.\.\., expected"):
        keys("llama", hidden_size=[1] * 40)
