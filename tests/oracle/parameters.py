"""The parameters of each architecture: Hugging Face's names, shapes, and their distributions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .case import Case


@dataclass(frozen=True)
class Random:
    """Nearly normal numbers. No mean is such that the code that forgets the parameter is right."""

    shape: tuple[int, ...]
    deviation: float
    mean: float = 0.0


Parameters = dict[str, Random]


def _linear(module: str, rows: int, columns: int, gain: float, bias: bool = False) -> Parameters:
    out = {f"{module}.weight": Random((rows, columns), gain / np.sqrt(columns))}
    if bias:
        out[f"{module}.bias"] = Random((rows,), 0.3)
    return out


def _norms(size: int, *modules: str, mean: float = 1.0) -> Parameters:
    return {f"{module}.weight": Random((size,), 0.3, mean) for module in modules}


def _block_norms(case: Case) -> Parameters:
    return _norms(case.config["hidden_size"], "input_layernorm", "post_attention_layernorm")


def _attention(case: Case) -> Parameters:
    c, dim = case.config, case.config["hidden_size"]
    q, kv = (c[f"num_{k}_heads"] * case.head_dim for k in ("attention", "key_value"))
    qkv_bias = c.get("attention_bias", case.model_type == "qwen2")
    return {
        **_linear("self_attn.q_proj", q, dim, 1.4, qkv_bias),
        **_linear("self_attn.k_proj", kv, dim, 1.4, qkv_bias),
        **_linear("self_attn.v_proj", kv, dim, 1.0, qkv_bias),
        **_linear("self_attn.o_proj", dim, q, 1.5, c.get("attention_bias", False)),
    }


def _qk_norms(case: Case, mean: float = 1.0) -> Parameters:
    return _norms(case.head_dim, "self_attn.q_norm", "self_attn.k_norm", mean=mean)


def _mlp(module: str, dim: int, ffn_dim: int, bias: bool = False) -> Parameters:
    return {
        **_linear(f"{module}.gate_proj", ffn_dim, dim, 1.5, bias),
        **_linear(f"{module}.up_proj", ffn_dim, dim, 1.0, bias),
        **_linear(f"{module}.down_proj", dim, ffn_dim, 1.5, bias),
    }


def _dense_mlp(case: Case) -> Parameters:
    c = case.config
    return _mlp("mlp", c["hidden_size"], c["intermediate_size"], c.get("mlp_bias", False))


def _experts(case: Case) -> Parameters:
    dim, width = case.config["hidden_size"], case.config["moe_intermediate_size"]
    out = _linear("mlp.gate", case.n_experts, dim, 2.0)
    for expert in range(case.n_experts):
        out |= _mlp(f"mlp.experts.{expert}", dim, width)
    return out


def _llama(case: Case, layer: int) -> Parameters:
    return {**_block_norms(case), **_attention(case), **_dense_mlp(case)}


def _qwen3(case: Case, layer: int) -> Parameters:
    return {**_llama(case, layer), **_qk_norms(case)}


def _qwen3_moe(case: Case, layer: int) -> Parameters:
    return {**_block_norms(case), **_attention(case), **_qk_norms(case), **_experts(case)}


def _gpt_oss(case: Case, layer: int) -> Parameters:
    """Gates and ups of deviation 4: a twelfth of them is clamped at 7."""
    dim, ffn_dim, n = case.config["hidden_size"], case.config["intermediate_size"], case.n_experts
    return {
        **_block_norms(case),
        **_attention(case),
        "self_attn.sinks": Random((case.config["num_attention_heads"],), 1.5, mean=2.0),
        **_linear("mlp.router", n, dim, 2.0, bias=True),
        "mlp.experts.gate_up_proj": Random((n, dim, 2 * ffn_dim), 4 / np.sqrt(dim)),
        "mlp.experts.gate_up_proj_bias": Random((n, 2 * ffn_dim), 1.0),
        "mlp.experts.down_proj": Random((n, ffn_dim, dim), 0.2 / np.sqrt(ffn_dim)),
        "mlp.experts.down_proj_bias": Random((n, dim), 0.3),
    }


def _latent_attention(case: Case) -> Parameters:
    c = case.config
    dim, heads, latent = c["hidden_size"], c["num_attention_heads"], c["kv_lora_rank"]
    nope, rope, v = c["qk_nope_head_dim"], c["qk_rope_head_dim"], c["v_head_dim"]
    q_rank = c["q_lora_rank"]
    if q_rank is None:
        q = _linear("self_attn.q_proj", heads * (nope + rope), dim, 1.4)
    else:
        q = {
            **_linear("self_attn.q_a_proj", q_rank, dim, 1.0),
            **_norms(q_rank, "self_attn.q_a_layernorm"),
            **_linear("self_attn.q_b_proj", heads * (nope + rope), q_rank, 1.4),
        }
    return {
        **q,
        **_linear("self_attn.kv_a_proj_with_mqa", latent + rope, dim, 1.4),
        **_norms(latent, "self_attn.kv_a_layernorm"),
        **_linear("self_attn.kv_b_proj", heads * (nope + v), latent, 1.4),
        **_linear("self_attn.o_proj", dim, heads * v, 1.5),
    }


def _deepseek(case: Case, layer: int) -> Parameters:
    c = case.config
    out = {**_block_norms(case), **_latent_attention(case)}
    if layer < c["first_k_dense_replace"]:
        return {**out, **_dense_mlp(case)}
    shared = c["moe_intermediate_size"] * c["n_shared_experts"]
    out |= {**_experts(case), **_mlp("mlp.shared_experts", c["hidden_size"], shared)}
    if case.model_type == "deepseek_v3":
        out["mlp.gate.e_score_correction_bias"] = Random((case.n_experts,), 0.2)
    return out


def _gemma3(case: Case, layer: int) -> Parameters:
    """Norms multiply by 1 + w. What all blocks add together does not grow with their number."""
    dim, post_mean = case.config["hidden_size"], 2 / np.sqrt(case.config["num_hidden_layers"]) - 1
    return {
        **_norms(dim, "input_layernorm", "pre_feedforward_layernorm", mean=0.0),
        **_norms(dim, "post_attention_layernorm", "post_feedforward_layernorm", mean=post_mean),
        **_attention(case),
        **_qk_norms(case, mean=0.0),
        **_dense_mlp(case),
    }


_BLOCKS: dict[str, Callable[[Case, int], Parameters]] = {
    "llama": _llama,
    "qwen2": _llama,
    "qwen3": _qwen3,
    "qwen3_moe": _qwen3_moe,
    "gpt_oss": _gpt_oss,
    "deepseek_v2": _deepseek,
    "deepseek_v3": _deepseek,
    "gemma3_text": _gemma3,
}


def parameters_of(case: Case) -> Parameters:
    """All parameters, in a fixed order."""
    dim, n_vocab = case.config["hidden_size"], case.n_vocab
    # Gemma multiplies them by sqrt(dim): larger ones would drown what blocks add.
    scale = 0.5 if case.model_type == "gemma3_text" else 3
    embedding = Random((n_vocab, dim), scale / np.sqrt(dim))
    out = {"model.embed_tokens.weight": embedding}
    for layer in range(case.config["num_hidden_layers"]):
        block = _BLOCKS[case.model_type](case, layer)
        out |= {f"model.layers.{layer}.{name}": random for name, random in block.items()}
    out |= _norms(dim, "model.norm", mean=0.0 if case.model_type == "gemma3_text" else 1.0)
    if not case.config["tie_word_embeddings"]:
        out["lm_head.weight"] = embedding
    return out
