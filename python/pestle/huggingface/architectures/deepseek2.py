"""`deepseek2`: DeepSeek V2, V3, V3.1 and R1.

RoPE turns neighbours in the checkpoint and in GGUF: no row moves.
"""

from __future__ import annotations

from typing import Final

from pestle.errors import UnsupportedError
from pestle.huggingface.architectures.base import (
    ATTENTION,
    EXPERTS,
    MLP,
    Architecture,
    TensorTarget,
)
from pestle.huggingface.architectures.keys import Keys
from pestle.huggingface.config import ModelConfig, is_float32
from pestle.tensors.transforms import keys_of_kv_b, values_of_kv_b

_SOFTMAX, _SIGMOID = 1, 2
"""Of `expert_gating_func`."""


def _keys(c: ModelConfig) -> Keys:
    c.require("hidden_act", "silu")
    c.require("moe_layer_freq", 1)
    c.require("rope_interleave", wanted=True)
    is_v3 = c.model_type == "deepseek_v3"
    c.require("scoring_func", "sigmoid" if is_v3 else "softmax")
    if is_v3:
        c.require("topk_method", "noaux_tc")
    latent, rotary = c.whole("kv_lora_rank"), c.whole("qk_rope_head_dim")
    keys: Keys = {
        "attention.head_count_kv": 1,
        "attention.kv_lora_rank": latent,
        "attention.key_length": latent + rotary,
        "attention.value_length": latent,
        "attention.key_length_mla": c.whole("qk_nope_head_dim") + rotary,
        "attention.value_length_mla": c.whole("v_head_dim"),
        "rope.dimension_count": rotary,
        "leading_dense_block_count": c.whole("first_k_dense_replace"),
        "expert_shared_count": c.whole("n_shared_experts"),
        "expert_weights_scale": c.number("routed_scaling_factor", 1.0),
        "expert_gating_func": _SIGMOID if is_v3 else _SOFTMAX,
    }
    if not is_v3 and c.get("topk_method") == "greedy":
        keys |= {"expert_group_count": 1, "expert_group_used_count": 1}
    else:
        keys["expert_group_count"] = c.whole("n_group", 1)
        keys["expert_group_used_count"] = c.whole("topk_group", 1)
    if c.get("q_lora_rank") is not None:
        keys["attention.q_lora_rank"] = c.positive("q_lora_rank")
    if c.flag("norm_topk_prob", default=False):
        keys["expert_weights_norm"] = True
    rope = c.rope()
    if rope["rope_type"] == "yarn":
        # Of yarn's two magnitudes GGUF has the one that scales attention; the other is their ratio.
        scale, other = rope.get("mscale_all_dim"), rope.get("mscale")
        if not is_float32(scale) or scale == 0 or scale != other:
            raise UnsupportedError(
                f"{c.path}: `rope_parameters` has mscale {other!r:.40} and mscale_all_dim "
                f"{scale!r:.40}, expected them to be equal and not 0"
            )
        keys["rope.scaling.yarn_log_multiplier"] = 0.1 * float(scale)
    return keys


DEEPSEEK2: Final = Architecture(
    "deepseek2",
    ("deepseek_v2", "deepseek_v3"),
    _keys,
    {
        **ATTENTION,  # of q, k and v only V2-Lite has the first
        "self_attn.q_a_proj": "attn_q_a",
        "self_attn.q_a_layernorm": "attn_q_a_norm",
        "self_attn.q_b_proj": "attn_q_b",
        "self_attn.kv_a_proj_with_mqa": "attn_kv_a_mqa",
        "self_attn.kv_a_layernorm": "attn_kv_a_norm",
        "self_attn.kv_b_proj": (
            TensorTarget("attn_k_b", keys_of_kv_b),
            TensorTarget("attn_v_b", values_of_kv_b),
        ),
        **MLP,
        **EXPERTS,
        "mlp.gate.e_score_correction_bias": "exp_probs_b.bias",
        "mlp.shared_experts.gate_proj": "ffn_gate_shexp",
        "mlp.shared_experts.up_proj": "ffn_up_shexp",
        "mlp.shared_experts.down_proj": "ffn_down_shexp",
    },
    ignores_extra_layers=True,
)
