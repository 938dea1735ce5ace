"""How sensitive models typically are to each kind of tensor."""

from __future__ import annotations

import re
from typing import Final

_TYPICAL: Final = {
    "output": 0.13, "token_embd": 0.07,
    "attn_q": 0.010, "attn_k": 0.008, "attn_v": 0.011, "attn_output": 0.012,
    "attn_q_a": 0.015, "attn_q_b": 0.030, "attn_kv_a_mqa": 0.025, "attn_k_b": 0.012,
    "attn_v_b": 0.030, "attn_kv_b": 0.030,
    "ffn_gate": 0.015, "ffn_up": 0.012, "ffn_down": 0.016,
    "ffn_gate_exps": 0.011, "ffn_up_exps": 0.009, "ffn_down_exps": 0.013,
}  # fmt: skip
"""Nats for a relative squared error of 1, in about the middle of what small trained models of
qwen3moe, gpt-oss and deepseek2 showed when they were measured (2026). Only ratios matter."""
_OTHERS: Final = 0.012


def typical_sensitivity(name: str) -> float:
    """Divergence, in nats, for a relative squared error of 1 in the tensor `name`.

    A shared expert counts as a layer's only one does.
    """
    kind = re.sub(r"^blk\.\d+\.|(_shexp)?\.weight$", "", name)
    return _TYPICAL.get(kind, _OTHERS)
