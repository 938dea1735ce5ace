"""`qwen2` (and 2.5), `qwen3`, `qwen3moe`. RoPE over halves, as in the checkpoint: no row moves."""

from __future__ import annotations

from typing import Final

from pestle.huggingface.architectures.base import (
    ATTENTION,
    EXPERTS,
    MLP,
    QK_NORMS,
    Architecture,
    TensorTarget,
)
from pestle.huggingface.architectures.keys import Keys
from pestle.huggingface.config import SLIDING, ModelConfig, layer_kinds
from pestle.tensors.transforms import first_half, second_half


def _dense_keys(c: ModelConfig) -> Keys:
    c.require("hidden_act", "silu")
    if c.flag("use_sliding_window", default=False) and SLIDING in layer_kinds(c, 1):
        c.require("use_sliding_window", wanted=False)
    return {}


def _moe_keys(c: ModelConfig) -> Keys:
    c.require("norm_topk_prob", wanted=True)
    c.require("decoder_sparse_step", 1)
    c.require("mlp_only_layers", [])
    return _dense_keys(c)


QWEN2: Final = Architecture("qwen2", ("qwen2",), _dense_keys, {**ATTENTION, **MLP})
QWEN3: Final = Architecture("qwen3", ("qwen3",), _dense_keys, {**ATTENTION, **QK_NORMS, **MLP})
QWEN3MOE: Final = Architecture(
    "qwen3moe",
    ("qwen3_moe",),
    _moe_keys,
    {
        **ATTENTION,
        **QK_NORMS,
        **EXPERTS,
        # As transformers 5 has them in memory: all experts of a layer, the gate before the up rows.
        "mlp.experts.gate_up_proj": (
            TensorTarget("ffn_gate_exps.weight", first_half),
            TensorTarget("ffn_up_exps.weight", second_half),
        ),
        "mlp.experts.down_proj": "ffn_down_exps.weight",
    },
)
