"""`deepseek2`: DeepSeek V2, V3, V3.1 and R1.

RoPE turns neighbours in the checkpoint and in GGUF: no row moves.
"""

from typing import Final

from pestle.huggingface.names.base import ATTENTION, EXPERTS, MLP, Into, NameMap
from pestle.tensors.transforms import keys_of_kv_b, values_of_kv_b

DEEPSEEK2: Final = NameMap(
    "deepseek2",
    ("deepseek_v2", "deepseek_v3"),
    {
        **ATTENTION,  # of q, k and v only V2-Lite has the first
        "self_attn.q_a_proj": "attn_q_a",
        "self_attn.q_a_layernorm": "attn_q_a_norm",
        "self_attn.q_b_proj": "attn_q_b",
        "self_attn.kv_a_proj_with_mqa": "attn_kv_a_mqa",
        "self_attn.kv_a_layernorm": "attn_kv_a_norm",
        "self_attn.kv_b_proj": (Into("attn_k_b", keys_of_kv_b), Into("attn_v_b", values_of_kv_b)),
        **MLP,
        **EXPERTS,
        "mlp.gate.e_score_correction_bias": "exp_probs_b.bias",
        "mlp.shared_experts.gate_proj": "ffn_gate_shexp",
        "mlp.shared_experts.up_proj": "ffn_up_shexp",
        "mlp.shared_experts.down_proj": "ffn_down_shexp",
    },
    ignores_extra_layers=True,
)
