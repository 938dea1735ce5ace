"""config.json in GGUF's words, for each architecture.

What GGUF has no key for is a constant of the architecture (a routing rule, a window's period); a
checkpoint that has it otherwise is refused, because the file would silently be another model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from pestle._core import GEMMA3_LAYERS_OF_27B
from pestle.errors import UnsupportedError
from pestle.huggingface.config import SLIDING, ModelConfig, is_float32, layer_kinds
from pestle.huggingface.metadata.rope import rope_divisors, rope_keys
from pestle.huggingface.names import n_experts

__all__ = ["architecture_keys", "rope_divisors"]

Keys = dict[str, Any]
_GEMMA3_PERIOD, _GPT_OSS_PERIOD = 6, 2
SOFTMAX, SIGMOID = 1, 2
"""Of `expert_gating_func`."""


def architecture_keys(architecture: str, config: ModelConfig) -> Keys:
    """The keys of GGUF's `architecture` without its name in front; bool, int, float, str or list.

    FormatError: config.json lacks a value. UnsupportedError: GGUF cannot express the model.
    """
    return _common(config) | _SPECIAL[architecture](config)


def _common(c: ModelConfig) -> Keys:
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


def _llama(c: ModelConfig) -> Keys:
    c.require("hidden_act", "silu")
    c.require("sliding_window", None)  # the first Mistral's
    return {"rope.dimension_count": c.whole("head_dim")}


def _qwen2(c: ModelConfig) -> Keys:
    c.require("hidden_act", "silu")
    if c.flag("use_sliding_window", default=False) and SLIDING in layer_kinds(c, 1):
        c.require("use_sliding_window", wanted=False)
    return {}


def _qwen3moe(c: ModelConfig) -> Keys:
    c.require("norm_topk_prob", wanted=True)
    c.require("decoder_sparse_step", 1)
    c.require("mlp_only_layers", [])
    return _qwen2(c)


def _gpt_oss(c: ModelConfig) -> Keys:
    c.require("swiglu_limit", 7.0)
    c.require("swiglu_alpha", 1.702)
    return _windows(c, _GPT_OSS_PERIOD)


def _gemma3(c: ModelConfig) -> Keys:
    c.require("hidden_activation", "gelu_pytorch_tanh")
    c.require("use_bidirectional_attention", wanted=False)
    c.require("attn_logit_softcapping", None)
    c.require("final_logit_softcapping", None)
    scalar = c.whole("head_dim")
    if c.whole("num_hidden_layers") == GEMMA3_LAYERS_OF_27B:
        scalar = c.whole("hidden_size") // c.whole("num_attention_heads")
    c.require("query_pre_attn_scalar", scalar)
    return {
        **_windows(c, _GEMMA3_PERIOD),
        "rope.freq_base_swa": _local_base(c),
    }


def _local_base(c: ModelConfig) -> float:
    theta = c.rope(SLIDING).get("rope_theta")
    if not is_float32(theta):
        raise c.error("rope_parameters", "a number for the windows' rope_theta")
    return float(theta)


def _windows(c: ModelConfig, period: int) -> Keys:
    keys: Keys = {"attention.sliding_window": c.whole("sliding_window")}
    kinds = layer_kinds(c, period)
    if kinds != [SLIDING if (i + 1) % period else "full_attention" for i in range(len(kinds))]:
        keys["attention.sliding_window_pattern"] = [kind == SLIDING for kind in kinds]
    return keys


def _deepseek2(c: ModelConfig) -> Keys:
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
        "expert_gating_func": SIGMOID if is_v3 else SOFTMAX,
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


_SPECIAL: Final[Mapping[str, Callable[[ModelConfig], Keys]]] = {
    "llama": _llama,
    "qwen2": _qwen2,
    "qwen3": _qwen2,
    "qwen3moe": _qwen3moe,
    "gpt-oss": _gpt_oss,
    "deepseek2": _deepseek2,
    "gemma3": _gemma3,
}
