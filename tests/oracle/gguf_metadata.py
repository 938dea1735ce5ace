"""The metadata of a tiny checkpoint's GGUF file: config.json in GGUF's words."""

from __future__ import annotations

from typing import Any

from .case import Case

Metadata = dict[str, Any]


def metadata(case: Case, *, legacy: bool = False) -> Metadata:
    """Keys without the architecture's name. `legacy`: DeepSeek's, before its heads were split."""
    c = case.config
    out: Metadata = {
        "context_length": c["max_position_embeddings"],
        "embedding_length": c["hidden_size"],
        "block_count": c["num_hidden_layers"],
        "feed_forward_length": c["intermediate_size"],
        "attention.head_count": c["num_attention_heads"],
        "attention.head_count_kv": c["num_key_value_heads"],
        "attention.layer_norm_rms_epsilon": c["rms_norm_eps"],
        "vocab_size": c["vocab_size"],
        **_rope(case),
    }
    if case.n_experts:
        out["expert_count"] = case.n_experts
        out["expert_used_count"] = c["num_experts_per_tok"]
        out["expert_feed_forward_length"] = c.get("moe_intermediate_size", c["intermediate_size"])
    if case.model_type.startswith("deepseek"):
        return out | _deepseek(case, legacy)
    if c.get("sliding_window"):
        out["attention.sliding_window"] = c["sliding_window"]
    return out | {
        "attention.key_length": case.head_dim,
        "attention.value_length": case.head_dim,
    }


def _rope(case: Case) -> Metadata:
    rope = case.rope
    out: Metadata = {"rope.freq_base": rope["rope_theta"]}
    if case.model_type == "llama":
        out["rope.dimension_count"] = case.head_dim
    if rope["rope_type"] in ("linear", "yarn"):
        out["rope.scaling.type"] = rope["rope_type"]
        out["rope.scaling.factor"] = rope["factor"]
    if rope["rope_type"] == "yarn":
        original = rope["original_max_position_embeddings"]
        out["rope.scaling.original_context_length"] = original
        for beta in ("beta_fast", "beta_slow"):
            if beta in rope:
                out[f"rope.scaling.yarn_{beta}"] = rope[beta]
    if (local := case.config["rope_parameters"].get("sliding_attention")) is not None:
        out["rope.freq_base_swa"] = local["rope_theta"]
    return out


def _deepseek(case: Case, legacy: bool) -> Metadata:
    c = case.config
    nope, rope, v = c["qk_nope_head_dim"], c["qk_rope_head_dim"], c["v_head_dim"]
    out: Metadata = {
        "attention.kv_lora_rank": c["kv_lora_rank"],
        "rope.dimension_count": rope,
        "leading_dense_block_count": c["first_k_dense_replace"],
        "expert_shared_count": c["n_shared_experts"],
        "expert_weights_scale": float(c["routed_scaling_factor"]),
        "expert_group_count": c["n_group"],
        "expert_group_used_count": c["topk_group"],
        "expert_gating_func": 2 if case.model_type == "deepseek_v3" else 1,
    }
    if c["q_lora_rank"] is not None:
        out["attention.q_lora_rank"] = c["q_lora_rank"]
    if c["norm_topk_prob"]:
        out["expert_weights_norm"] = True
    if (mscale := case.rope.get("mscale_all_dim")) is not None:
        out["rope.scaling.yarn_log_multiplier"] = 0.1 * mscale
    if legacy:
        return out | {"attention.key_length": nope + rope, "attention.value_length": v}
    return out | {
        "attention.head_count_kv": 1,
        "attention.key_length": c["kv_lora_rank"] + rope,
        "attention.value_length": c["kv_lora_rank"],
        "attention.key_length_mla": nope + rope,
        "attention.value_length_mla": v,
    }
