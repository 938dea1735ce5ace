"""`gpt-oss`. Gate and up alternate. Experts are stored (in, out) as floats, as rows in MXFP4."""

from __future__ import annotations

from typing import Final

from pestle.huggingface.architectures.base import ATTENTION, Architecture, TensorTarget
from pestle.huggingface.architectures.keys import Keys, window_keys
from pestle.huggingface.config import ModelConfig
from pestle.tensors.transforms import Array, Config, Transform, transposed


def _gate(values: Array, group: int, config: Config) -> Array:
    return values[..., 0::2]


def _up(values: Array, group: int, config: Config) -> Array:
    return values[..., 1::2]


def _gate_columns(values: Array, group: int, config: Config) -> Array:
    return values[..., 0::2].swapaxes(-1, -2)


def _up_columns(values: Array, group: int, config: Config) -> Array:
    return values[..., 1::2].swapaxes(-1, -2)


def _gate_rows(values: Array, group: int, config: Config) -> Array:
    return values[..., 0::2, :]


def _up_rows(values: Array, group: int, config: Config) -> Array:
    return values[..., 1::2, :]


_PERIOD: Final = 2


def _keys(c: ModelConfig) -> Keys:
    c.require("swiglu_limit", 7.0)
    c.require("swiglu_alpha", 1.702)
    return window_keys(c, _PERIOD)


GPT_OSS: Final = Architecture(
    "gpt-oss",
    ("gpt_oss",),
    _keys,
    {
        **ATTENTION,
        "self_attn.sinks": "attn_sinks.weight",
        "post_attention_layernorm": "post_attention_norm",  # it stands before the experts
        "mlp.router": "ffn_gate_inp",
        "mlp.experts.gate_up_proj": (
            TensorTarget("ffn_gate_exps.weight", Transform(_gate_columns)),
            TensorTarget("ffn_up_exps.weight", Transform(_up_columns)),
        ),
        "mlp.experts.gate_up_proj_blocks": (
            TensorTarget("ffn_gate_exps.weight", Transform(_gate_rows)),
            TensorTarget("ffn_up_exps.weight", Transform(_up_rows)),
        ),
        "mlp.experts.gate_up_proj_bias": (
            TensorTarget("ffn_gate_exps.bias", Transform(_gate)),
            TensorTarget("ffn_up_exps.bias", Transform(_up)),
        ),
        "mlp.experts.down_proj": TensorTarget("ffn_down_exps.weight", transposed),
        "mlp.experts.down_proj_blocks": "ffn_down_exps.weight",
        "mlp.experts.down_proj_bias": "ffn_down_exps.bias",
    },
)
