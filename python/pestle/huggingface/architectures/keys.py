"""config.json in GGUF's words: what several architectures share.

What GGUF has no key for is a constant of the architecture (a routing rule, a window's period); a
checkpoint that has it otherwise is refused, because the file would silently be another model.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pestle.errors import FormatError
from pestle.huggingface.config import SLIDING, ModelConfig, layer_kinds
from pestle.huggingface.metadata.rope import rope_keys

Keys = dict[str, Any]
_MOST_EXPERTS: Final = 1_000_000


def common_keys(c: ModelConfig) -> Keys:
    """What every architecture has. FormatError: config.json lacks a value."""
    heads = c.positive("num_attention_heads")
    keys: Keys = {
        "context_length": c.whole("max_position_embeddings"),
        "embedding_length": c.whole("hidden_size"),
        "block_count": c.whole("num_hidden_layers"),
        "feed_forward_length": c.whole("intermediate_size"),
        "attention.head_count": heads,
        "attention.head_count_kv": c.positive("num_key_value_heads", heads),
        "attention.key_length": c.whole("head_dim"),
        "attention.value_length": c.whole("head_dim"),
        "attention.layer_norm_rms_epsilon": c.number("rms_norm_eps"),
        "vocab_size": c.whole("vocab_size"),
        **rope_keys(c),
    }
    if count := n_experts(c):
        keys["expert_count"] = count
        keys["expert_used_count"] = c.whole("num_experts_per_tok")
        keys["expert_feed_forward_length"] = c.whole(
            "moe_intermediate_size", c.whole("intermediate_size")
        )
    return keys


def window_keys(c: ModelConfig, period: int) -> Keys:
    """Of windows in all layers but every `period`th, or in those that the config names."""
    keys: Keys = {"attention.sliding_window": c.whole("sliding_window")}
    kinds = layer_kinds(c, period)
    if kinds != [SLIDING if (i + 1) % period else "full_attention" for i in range(len(kinds))]:
        keys["attention.sliding_window_pattern"] = [kind == SLIDING for kind in kinds]
    return keys


def n_experts(config: Mapping[str, Any]) -> int:
    """The routed experts of a layer, by the name that this config has for them; else 0."""
    counts: list[Any] = [
        config.get(key) for key in ("num_local_experts", "num_experts", "n_routed_experts")
    ]
    found = next((n for n in counts if n), 0)
    if type(found) is not int or not 0 <= found <= _MOST_EXPERTS:
        raise FormatError(
            f"config.json: there are {found!r:.40} experts, expected a whole number, "
            f"at most {_MOST_EXPERTS:,}"
        )
    return found
