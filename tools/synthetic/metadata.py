"""The metadata that a reader needs to run a shape."""

from __future__ import annotations

from synthetic.shapes import Experts, LatentAttention, Shape, Yarn

Values = dict[str, int | float | str | bool]
"""By key, without the architecture's prefix."""


def metadata(shape: Shape) -> Values:
    """The hyperparameters."""
    found: Values = {
        "context_length": shape.n_ctx,
        "embedding_length": shape.dim,
        "block_count": shape.n_layers,
        "feed_forward_length": shape.ffn_dim,
        "attention.head_count": shape.n_heads,
        "attention.head_count_kv": shape.n_kv_heads,
        "attention.layer_norm_rms_epsilon": shape.eps,
        "rope.freq_base": shape.rope_base,
        "vocab_size": shape.n_vocab,
    }
    found |= _latent(shape.latent) if shape.latent else _heads(shape.head_dim)
    if shape.window:
        found["attention.sliding_window"] = shape.window
    if shape.linear_scale:
        found["rope.scaling.type"] = "linear"
        found["rope.scaling.factor"] = shape.linear_scale
    if shape.yarn:
        found |= _yarn(shape.yarn)
    if shape.experts:
        found |= _experts(shape.experts)
    return found


def _heads(head_dim: int) -> Values:
    return {
        "attention.key_length": head_dim,
        "attention.value_length": head_dim,
        "rope.dimension_count": head_dim,
    }


def _latent(latent: LatentAttention) -> Values:
    """As one key and value head over the latent, which is what the file's tensors multiply."""
    found: Values = {
        "attention.kv_lora_rank": latent.kv_lora_rank,
        "attention.key_length": latent.kv_lora_rank + latent.rope_dim,
        "attention.value_length": latent.kv_lora_rank,
        "attention.key_length_mla": latent.nope_dim + latent.rope_dim,
        "attention.value_length_mla": latent.v_dim,
        "rope.dimension_count": latent.rope_dim,
    }
    if latent.q_lora_rank is not None:
        found["attention.q_lora_rank"] = latent.q_lora_rank
    return found


def _yarn(yarn: Yarn) -> Values:
    found: Values = {
        "rope.scaling.type": "yarn",
        "rope.scaling.factor": yarn.factor,
        "rope.scaling.original_context_length": yarn.original_n_ctx,
    }
    optional = {
        "rope.scaling.yarn_beta_fast": yarn.beta_fast,
        "rope.scaling.yarn_beta_slow": yarn.beta_slow,
        "rope.scaling.yarn_log_multiplier": yarn.log_multiplier,
    }
    return found | {key: value for key, value in optional.items() if value is not None}


def _experts(experts: Experts) -> Values:
    found: Values = {
        "expert_count": experts.n,
        "expert_used_count": experts.top_k,
        "expert_feed_forward_length": experts.ffn_dim,
    }
    if experts.n_shared:
        found["expert_shared_count"] = experts.n_shared
    if experts.n_dense_layers:
        found["leading_dense_block_count"] = experts.n_dense_layers
    if experts.weights_scale is not None:
        found["expert_weights_scale"] = experts.weights_scale
    if experts.groups:
        found["expert_group_count"] = experts.groups.n
        found["expert_group_used_count"] = experts.groups.top
        found["expert_gating_func"] = 2
        found["expert_weights_norm"] = True
    return found
