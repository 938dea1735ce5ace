"""`gpt-oss`. Experts are stored (in, out), gate and up in turn: columns 0 2 4 .. are the gate."""

from typing import Final

from pestle.convert.names.base import ATTENTION, Into, NameMap
from pestle.convert.names.transforms import Array, Config, transposed


def _gate(values: Array, config: Config) -> Array:
    return values[..., 0::2]


def _up(values: Array, config: Config) -> Array:
    return values[..., 1::2]


def _gate_rows(values: Array, config: Config) -> Array:
    return transposed(_gate(values, config), config)


def _up_rows(values: Array, config: Config) -> Array:
    return transposed(_up(values, config), config)


GPT_OSS: Final = NameMap(
    "gpt-oss",
    ("gpt_oss",),
    {
        **ATTENTION,
        "self_attn.sinks": "attn_sinks.weight",
        "post_attention_layernorm": "post_attention_norm",  # it stands before the experts
        "mlp.router": "ffn_gate_inp",
        "mlp.experts.gate_up_proj": (
            Into("ffn_gate_exps.weight", _gate_rows),
            Into("ffn_up_exps.weight", _up_rows),
        ),
        "mlp.experts.gate_up_proj_bias": (
            Into("ffn_gate_exps.bias", _gate),
            Into("ffn_up_exps.bias", _up),
        ),
        "mlp.experts.down_proj": Into("ffn_down_exps.weight", transposed),
        "mlp.experts.down_proj_bias": "ffn_down_exps.bias",
    },
)
