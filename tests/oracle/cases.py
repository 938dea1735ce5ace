"""The tiny checkpoints: for every architecture some that together have all its features on.

Rows of some divide by 256 (K-quants), those of others by nothing.
"""

from __future__ import annotations

from typing import Any

from .case import Case


def _config(
    model_type: str, dim: int, heads: tuple[int, int], ffn: int, vocab: int, **more: Any
) -> dict[str, Any]:
    return {
        "model_type": model_type,
        "hidden_size": dim,
        "intermediate_size": ffn,
        "num_hidden_layers": 2,
        "num_attention_heads": heads[0],
        "num_key_value_heads": heads[1],
        "vocab_size": vocab,
        "max_position_embeddings": 256,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": False,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
    } | more


def _rope(kind: str, theta: float, **more: Any) -> dict[str, Any]:
    return {"rope_parameters": {"rope_type": kind, "rope_theta": theta, **more}}


def _yarn(factor: float, original: int, theta: float = 10000.0, **more: Any) -> dict[str, Any]:
    rope = _rope("yarn", theta, factor=factor, original_max_position_embeddings=original, **more)
    return rope | {"max_position_embeddings": int(factor * original)}


_LLAMA3 = _rope(
    "llama3",
    10000.0,
    factor=8.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=64,
)

_LLAMA = (
    Case("llama-tied", _config("llama", 64, (4, 4), 96, 131, tie_word_embeddings=True)),
    Case("llama-llama3-rope", _config("llama", 64, (4, 2), 160, 144, **_LLAMA3), seed=2),
    # 9 heads on 3, rows of 72, 100 and 216, no multiples of 32; head_dim is not 72 / 9.
    Case(
        "llama-ragged",
        _config("llama", 72, (9, 3), 100, 199, head_dim=24, **_rope("default", 5e5)),
        seed=2,
    ),
    Case(
        "llama-biases",
        _config(
            "llama",
            96,
            (4, 2),
            128,
            101,
            head_dim=32,
            attention_bias=True,
            mlp_bias=True,
            **_rope("linear", 10000.0, factor=4.0),
        ),
    ),
    # Rows of whole K-quant blocks, one kv head of 128.
    Case(
        "llama-256",
        _config("llama", 256, (4, 1), 256, 131, head_dim=128, **_rope("default", 1e6)),
        seed=2,
    ),
    # Rows so long that their activations have eight bits; those of 96 and 256 have fifteen.
    Case(
        "llama-2048",
        _config("llama", 2048, (4, 2), 96, 103, head_dim=64, tie_word_embeddings=True),
    ),
)

_QWEN = (
    Case(
        "qwen2-tied",
        _config("qwen2", 64, (4, 2), 96, 151, tie_word_embeddings=True, **_rope("default", 1e6)),
        seed=3,
    ),
    Case(
        "qwen2-yarn",
        _config("qwen2", 96, (3, 1), 160, 131, rms_norm_eps=1e-6, **_yarn(4.0, 64)),
        seed=3,
    ),
    Case("qwen2-256", _config("qwen2", 256, (4, 2), 512, 103, **_rope("default", 1e6))),
    # Heads wider, and narrower, than dim / heads.
    Case(
        "qwen3-tied",
        _config(
            "qwen3", 64, (4, 2), 96, 151, head_dim=24, tie_word_embeddings=True,
            **_rope("default", 1e6),
        ),
    ),
    # Ten times the original context.
    Case(
        "qwen3-yarn",
        _config("qwen3", 72, (3, 1), 100, 131, head_dim=32, rms_norm_eps=1e-6, **_yarn(10.0, 64)),
        seed=2,
        n_tokens=640,
    ),
    Case("qwen3-256", _config("qwen3", 256, (4, 2), 512, 103, head_dim=128)),
)  # fmt: skip


def _moe(n: int, top_k: int, width: int, **more: Any) -> dict[str, Any]:
    return {
        "num_experts": n,
        "num_experts_per_tok": top_k,
        "moe_intermediate_size": width,
        "norm_topk_prob": True,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
    } | more


_QWEN3_MOE = (
    Case(
        "qwen3moe-top1",
        _config(
            "qwen3_moe", 64, (4, 2), 96, 131, head_dim=24, tie_word_embeddings=True,
            **_moe(5, 1, 40),
        ),
    ),
    # Rows of 72 and 52; positions to ten times the original context.
    Case(
        "qwen3moe-yarn",
        _config("qwen3_moe", 72, (3, 1), 96, 139, head_dim=32, **_moe(7, 3, 52), **_yarn(10.0, 15)),
    ),
    Case(
        "qwen3moe-256",
        _config("qwen3_moe", 256, (4, 2), 512, 103, head_dim=64, rms_norm_eps=1e-6,
                **_moe(7, 2, 256), **_rope("default", 1e6)),
    ),
)  # fmt: skip


def _gpt_oss(n: int, top_k: int, window: int, layers: int = 2, **more: Any) -> dict[str, Any]:
    kinds = ("sliding_attention", "full_attention")
    return {
        "num_local_experts": n,
        "num_experts_per_tok": top_k,
        "sliding_window": window,
        "num_hidden_layers": layers,
        "layer_types": [kinds[layer % 2] for layer in range(layers)],
        "attention_bias": True,
        "swiglu_limit": 7.0,
    } | more


def _untruncated(factor: float, original: int, theta: float = 150000.0) -> dict[str, Any]:
    return _yarn(factor, original, theta, beta_fast=32.0, beta_slow=1.0, truncate=False)


_ALWAYS, _NEVER = 20.0, -50.0
_GPT_OSS = (
    # A window layer is the last: what it cannot see cannot reach the logits by another way.
    Case(
        "gptoss-top1",
        _config("gpt_oss", 72, (6, 2), 52, 131, head_dim=24, **_gpt_oss(5, 1, 33, layers=3),
                **_untruncated(32.0, 64)),
    ),
    # The window of the published models; kv heads of 64 as there.
    Case(
        "gptoss-256",
        _config("gpt_oss", 256, (4, 1), 256, 103, head_dim=64, **_gpt_oss(7, 4, 128),
                **_untruncated(32.0, 256)),
    ),
    # Ten times the original context; windows end in the middle of pages.
    Case(
        "gptoss-yarn",
        _config("gpt_oss", 64, (4, 2), 96, 139, head_dim=32, **_gpt_oss(5, 2, 100, layers=3),
                **_untruncated(10.0, 64)),
        n_tokens=640,
    ),
    # A window of one page; all tokens go to two experts, and none to a third.
    Case(
        "gptoss-busy",
        _config("gpt_oss", 64, (4, 2), 96, 131, head_dim=16, **_gpt_oss(6, 2, 64),
                **_untruncated(8.0, 64)),
        fixed={"mlp.router.bias": {1: _ALWAYS, 4: _ALWAYS, 2: _NEVER}},
    ),
    # 1024 wide: activations of eight bits. Routing that no rounding changes.
    Case(
        "gptoss-1024",
        _config("gpt_oss", 1024, (4, 2), 96, 103, head_dim=64, **_gpt_oss(4, 2, 40),
                **_untruncated(8.0, 64)),
        fixed={"mlp.router.bias": {0: _ALWAYS, 3: _ALWAYS}},
    ),
)  # fmt: skip


def _mla(
    ranks: tuple[int | None, int],
    head: tuple[int, int, int],
    n: int,
    top_k: int,
    width: int,
    **more: Any,
) -> dict[str, Any]:
    """ranks: of q (None: no latent) and kv; head: sizes of nope, rope and v."""
    return {
        "q_lora_rank": ranks[0],
        "kv_lora_rank": ranks[1],
        "qk_nope_head_dim": head[0],
        "qk_rope_head_dim": head[1],
        "head_dim": head[1],
        "v_head_dim": head[2],
        "num_hidden_layers": 3,
        "first_k_dense_replace": 1,
        "n_routed_experts": n,
        "num_experts_per_tok": top_k,
        "moe_intermediate_size": width,
        "attention_bias": False,
        "rms_norm_eps": 1e-6,
    } | more  # fmt: skip


def _v3(
    groups: tuple[int, int], scale: float, shared: int = 1, norm: bool = True
) -> dict[str, Any]:
    return {
        "n_group": groups[0],
        "topk_group": groups[1],
        "norm_topk_prob": norm,
        "routed_scaling_factor": scale,
        "n_shared_experts": shared,
    }


def _v2(method: str, groups: tuple[int, int], scale: float, shared: int) -> dict[str, Any]:
    return {"topk_method": method, **_v3(groups, scale, shared, norm=False)}


def _deepseek_yarn(factor: float, original: int, mscale: float) -> dict[str, Any]:
    return _yarn(factor, original, mscale=mscale, mscale_all_dim=mscale)


_DEEPSEEK = (
    # Nothing divides by 32; ten times the original context.
    Case(
        "deepseek3-ragged",
        _config("deepseek_v3", 72, (3, 3), 100, 131, **_mla((44, 40), (20, 12, 28), 12, 3, 36),
                **_v3((4, 2), 2.5), **_deepseek_yarn(10.0, 15, 1.0)),
    ),
    Case(
        "deepseek3-long",
        _config("deepseek_v3", 64, (4, 4), 96, 139, **_mla((32, 64), (16, 16, 16), 8, 2, 32),
                **_v3((4, 2), 1.5, shared=2), **_deepseek_yarn(10.0, 64, 0.707)),
        n_tokens=640,
    ),
    Case(
        "deepseek3-256",
        _config("deepseek_v3", 256, (2, 2), 512, 103, **_mla((256, 256), (64, 64, 128), 8, 2, 256),
                **_v3((4, 2), 2.5)),
        seed=3,
    ),
    # Every token goes to one expert, none to another: the bias selects, and weighs nothing.
    Case(
        "deepseek3-busy",
        _config("deepseek_v3", 64, (4, 4), 96, 131, **_mla((32, 64), (24, 8, 32), 8, 3, 40),
                **_v3((4, 2), 2.0)),
        fixed={"e_score_correction_bias": {5: 4.0, 6: -4.0}},
    ),
    # No groups; the weight of the one expert is its score.
    Case(
        "deepseek3-top1",
        _config("deepseek_v3", 64, (4, 4), 96, 131, **_mla((32, 64), (16, 16, 32), 7, 1, 40),
                **_v3((1, 1), 2.5, norm=False)),
    ),
    Case(
        "deepseek2-lite",
        _config("deepseek_v2", 64, (4, 4), 96, 131, **_mla((None, 64), (32, 16, 32), 7, 3, 40),
                **_v2("greedy", (1, 1), 1.0, 2), **_deepseek_yarn(8.0, 32, 0.707)),
    ),
    Case(
        "deepseek2-groups",
        _config("deepseek_v2", 72, (3, 3), 100, 139, **_mla((40, 48), (16, 24, 20), 12, 3, 36),
                **_v2("group_limited_greedy", (4, 2), 4.0, 1)),
    ),
)  # fmt: skip


def _gemma3(window: int, layers: int = 7, factor: float = 1.0, **more: Any) -> dict[str, Any]:
    everywhere = {"rope_type": "default", "rope_theta": 1e6}
    if factor != 1:
        everywhere = {"rope_type": "linear", "rope_theta": 1e6, "factor": factor}
    return {
        "num_hidden_layers": layers,
        "sliding_window": window,
        "layer_types": [
            "sliding_attention" if layer % 6 != 5 else "full_attention" for layer in range(layers)
        ],
        "rope_parameters": {
            "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
            "full_attention": everywhere,
        },
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": True,
    } | more


_GEMMA3 = (
    Case(
        "gemma3-linear",
        _config("gemma3_text", 72, (4, 2), 100, 131, head_dim=24,
                **_gemma3(40, factor=8.0, query_pre_attn_scalar=24)),
    ),
    Case(
        "gemma3-256",
        _config("gemma3_text", 256, (2, 1), 256, 103, head_dim=128,
                **_gemma3(65, query_pre_attn_scalar=128)),
    ),
    # 27B, recognised by its 62 layers, divides scores by sqrt(dim / heads), not sqrt(head_dim).
    Case(
        "gemma3-62-layers",
        _config("gemma3_text", 48, (4, 2), 64, 131, head_dim=16,
                **_gemma3(30, layers=62, factor=8.0, query_pre_attn_scalar=12)),
    ),
)  # fmt: skip

CASES: dict[str, Case] = {
    case.name: case for case in (*_LLAMA, *_QWEN, *_QWEN3_MOE, *_GPT_OSS, *_DEEPSEEK, *_GEMMA3)
}
