"""The hyperparameters of published models, as their papers and configurations state them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Llama3Rope:
    """How Llama 3.1 and later stretch the rotary wavelengths (rope_freqs.weight)."""

    factor: float
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_n_ctx: int = 8192


@dataclass(frozen=True)
class Yarn:
    """YaRN's stretching of the rotary wavelengths (Peng et al. 2023)."""

    factor: float
    original_n_ctx: int
    beta_fast: float | None = None
    beta_slow: float | None = None
    log_multiplier: float | None = None


@dataclass(frozen=True)
class ExpertGroups:
    """DeepSeek-V3's routing: sigmoids with a bias, and only the best groups of experts."""

    n: int
    top: int


@dataclass(frozen=True)
class Experts:
    """The sparse feed-forward layers: `top_k` of `n` experts, and those that every token takes."""

    n: int
    top_k: int
    ffn_dim: int
    n_shared: int = 0
    n_dense_layers: int = 0  # leading layers without experts
    weights_scale: float | None = None  # of the routed experts' sum; None: the file does not say
    groups: ExpertGroups | None = None


@dataclass(frozen=True)
class LatentAttention:
    """DeepSeek's multi-head latent attention."""

    kv_lora_rank: int
    nope_dim: int
    rope_dim: int
    v_dim: int
    q_lora_rank: int | None = None  # None: queries have no latent (V2-Lite)


@dataclass(frozen=True)
class Shape:
    """One model."""

    architecture: str
    dim: int
    ffn_dim: int
    n_layers: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    n_vocab: int
    n_ctx: int
    rope_base: float
    eps: float
    tied: bool = True
    llama3_rope: Llama3Rope | None = None
    yarn: Yarn | None = None
    experts: Experts | None = None
    latent: LatentAttention | None = None
    window: int | None = None
    linear_scale: float | None = None  # of the rotary positions


def _smollm2(
    dim: int, ffn_dim: int, n_layers: int, n_heads: int, n_kv: int, base: float = 1e5
) -> Shape:
    return Shape("llama", dim, ffn_dim, n_layers, n_heads, n_kv, 64, 49152, 8192, base, 1e-5)


def _llama32(dim: int, n_layers: int, n_heads: int, head_dim: int) -> Shape:
    rope = Llama3Rope(32.0)
    return Shape(
        "llama", dim, 8192, n_layers, n_heads, 8, head_dim, 128256, 131072, 5e5, 1e-5,
        llama3_rope=rope,
    )  # fmt: skip


def _qwen25(dim: int, ffn_dim: int, n_layers: int, n_heads: int, head_dim: int) -> Shape:
    return Shape(
        "qwen2", dim, ffn_dim, n_layers, n_heads, 2, head_dim, 151936, 32768, 1e6, 1e-6
    )  # fmt: skip


def _qwen3(architecture: str, dim: int, ffn_dim: int, n_layers: int, n_heads: int) -> Shape:
    return Shape(
        architecture, dim, ffn_dim, n_layers, n_heads, 8, 128, 151936, 40960, 1e6, 1e-6
    )  # fmt: skip


SHAPES = {
    "smollm2-135m": _smollm2(576, 1536, 30, 9, 3),
    "smollm2-360m": _smollm2(960, 2560, 32, 15, 5),
    "smollm2-1.7b": _smollm2(2048, 8192, 24, 32, 32, 1.3e5),
    "llama-3.2-1b": _llama32(2048, 16, 32, 64),
    "llama-3.2-3b": _llama32(3072, 28, 24, 128),
    # Qwen3-4B's widths in Llama's architecture: a dense 4B that needs no norms of q and k.
    "llama-4b": _qwen3("llama", 2560, 9728, 36, 32),
    "qwen2.5-0.5b": _qwen25(896, 4864, 24, 14, 64),
    "qwen2.5-1.5b": _qwen25(1536, 8960, 28, 12, 128),
    "qwen2.5-3b": _qwen25(2048, 11008, 36, 16, 128),
    "qwen3-0.6b": _qwen3("qwen3", 1024, 3072, 28, 16),
    "qwen3-4b": _qwen3("qwen3", 2560, 9728, 36, 32),
    "qwen3-30b-a3b": Shape(
        "qwen3moe", 2048, 6144, 48, 32, 4, 128, 151936, 40960, 1e6, 1e-6,
        tied=False, experts=Experts(128, 8, 768),
    ),
    "gpt-oss-20b": Shape(
        "gpt-oss", 2880, 2880, 24, 64, 8, 64, 201088, 131072, 1.5e5, 1e-5,
        tied=False, yarn=Yarn(32.0, 4096, 32.0, 1.0), experts=Experts(32, 4, 2880), window=128,
    ),
    "gpt-oss-120b": Shape(
        "gpt-oss", 2880, 2880, 36, 64, 8, 64, 201088, 131072, 1.5e5, 1e-5,
        tied=False, yarn=Yarn(32.0, 4096, 32.0, 1.0), experts=Experts(128, 4, 2880), window=128,
    ),
    "deepseek-v2-lite": Shape(
        "deepseek2", 2048, 10944, 27, 16, 1, 192, 102400, 163840, 1e4, 1e-6,
        tied=False, yarn=Yarn(40.0, 4096, log_multiplier=0.0707),
        experts=Experts(64, 6, 1408, n_shared=2, n_dense_layers=1, weights_scale=1.0),
        latent=LatentAttention(512, 128, 64, 128),
    ),
    "deepseek-v3": Shape(
        "deepseek2", 7168, 18432, 61, 128, 1, 192, 129280, 163840, 1e4, 1e-6,
        tied=False, yarn=Yarn(40.0, 4096, log_multiplier=0.1),
        experts=Experts(256, 8, 2048, n_shared=1, n_dense_layers=3, weights_scale=2.5,
                        groups=ExpertGroups(8, 4)),
        latent=LatentAttention(512, 128, 64, 128, q_lora_rank=1536),
    ),
    "gemma-3-1b": Shape(
        "gemma3", 1152, 6912, 26, 4, 1, 256, 262144, 32768, 1e6, 1e-6, window=512,
    ),
    "gemma-3-4b": Shape(
        "gemma3", 2560, 10240, 34, 8, 4, 256, 262144, 131072, 1e6, 1e-6, window=1024,
        linear_scale=8.0,
    ),
}  # fmt: skip
