"""`llama`: Llama 1 to 3, SmolLM2, Mistral. Its RoPE turns neighbours: the rows of q and k move."""

from __future__ import annotations

from typing import Final

from pestle.huggingface.architectures.base import ATTENTION, MLP, Architecture, TensorTarget
from pestle.huggingface.architectures.keys import Keys
from pestle.huggingface.config import ModelConfig
from pestle.tensors.transforms import Config, heads_from_halves_to_pairs


def _q_heads(config: Config) -> int:
    return int(config["num_attention_heads"])


def _k_heads(config: Config) -> int:
    return int(config.get("num_key_value_heads") or config["num_attention_heads"])


def _keys(c: ModelConfig) -> Keys:
    c.require("hidden_act", "silu")
    c.require("sliding_window", None)  # the first Mistral's
    return {"rope.dimension_count": c.whole("head_dim")}


LLAMA: Final = Architecture(
    "llama",
    ("llama", "mistral"),
    _keys,
    {
        **ATTENTION,
        **MLP,
        "self_attn.q_proj": TensorTarget("attn_q", heads_from_halves_to_pairs(_q_heads)),
        "self_attn.k_proj": TensorTarget("attn_k", heads_from_halves_to_pairs(_k_heads)),
    },
)
