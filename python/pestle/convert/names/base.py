"""Tensor names: `model.layers.3.self_attn.q_proj.weight` is GGUF's `blk.3.attn_q.weight`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

WHOLE_MODEL: Final[Mapping[str, str]] = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
}
BLOCK: Final[Mapping[str, str]] = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}

_LAYER = re.compile(r"model\.layers\.(\d+)\.(.+)")


@dataclass(frozen=True)
class NameMap:
    """The tensors of one architecture, as module names without `.weight` and `.bias`."""

    architecture: str
    """GGUF's `general.architecture`."""
    model_type: str
    """`model_type` of config.json."""
    block: Mapping[str, str] = field(default_factory=lambda: BLOCK)
    whole_model: Mapping[str, str] = field(default_factory=lambda: WHOLE_MODEL)
    rotated: frozenset[str] = frozenset()
    """GGUF modules whose rows `interleave_halves` reorders."""

    def gguf_name(self, name: str) -> str | None:
        """GGUF's name of the checkpoint's tensor `name`; None for one that is not stored.

        Raises KeyError, with the name, for a tensor that the architecture does not have.
        """
        if name.endswith("rotary_emb.inv_freq"):  # older checkpoints keep what the config implies
            return None
        module, _, kind = name.rpartition(".")
        if kind in ("weight", "bias"):
            if module in self.whole_model:
                return f"{self.whole_model[module]}.{kind}"
            if (match := _LAYER.fullmatch(module)) and match[2] in self.block:
                return f"blk.{match[1]}.{self.block[match[2]]}.{kind}"
        raise KeyError(name)

    def is_rotated(self, gguf_name: str) -> bool:
        """Whether the rows of GGUF's tensor `gguf_name` are reordered for its RoPE."""
        return gguf_name.split(".")[-2] in self.rotated
