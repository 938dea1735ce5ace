"""The tensors that a shape has in GGUF, by name and size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from synthetic.shapes import Experts, LatentAttention, Shape


class Fill(Enum):
    """What a tensor's numbers are. All but WEIGHT are F32."""

    WEIGHT = "weight"
    ROUTER = "router"  # a matrix that stays F32
    NORM = "norm"
    BIAS = "bias"
    ROPE_FREQS = "rope_freqs"


@dataclass(frozen=True)
class Tensor:
    """A tensor; `size` has the contiguous dimension first, as GGUF has it."""

    name: str
    size: tuple[int, ...]
    fill: Fill = Fill.WEIGHT


def tensors(shape: Shape) -> list[Tensor]:
    """All of them, in the order of the file."""
    found = [Tensor("token_embd.weight", (shape.dim, shape.n_vocab))]
    if shape.llama3_rope:
        found.append(Tensor("rope_freqs.weight", (shape.head_dim // 2,), Fill.ROPE_FREQS))
    for i in range(shape.n_layers):
        layer = [*_attention(shape), *_ffn(shape, i)]
        found += [Tensor(f"blk.{i}.{t.name}", t.size, t.fill) for t in layer]
    found.append(Tensor("output_norm.weight", (shape.dim,), Fill.NORM))
    if not shape.tied:
        found.append(Tensor("output.weight", (shape.dim, shape.n_vocab)))
    return found


def _attention(shape: Shape) -> Iterator[Tensor]:
    yield Tensor("attn_norm.weight", (shape.dim,), Fill.NORM)
    if shape.latent:
        yield from _latent_attention(shape, shape.latent)
        return
    q, kv = shape.n_heads * shape.head_dim, shape.n_kv_heads * shape.head_dim
    biases = {"qwen2": "qkv", "gpt-oss": "qkvo"}.get(shape.architecture, "")
    for letter, part, size in (
        ("q", "attn_q", (shape.dim, q)),
        ("k", "attn_k", (shape.dim, kv)),
        ("v", "attn_v", (shape.dim, kv)),
        ("o", "attn_output", (q, shape.dim)),
    ):
        yield Tensor(f"{part}.weight", size)
        if letter in biases:
            yield Tensor(f"{part}.bias", size[1:], Fill.BIAS)
    if shape.architecture in ("qwen3", "qwen3moe", "gemma3"):
        yield Tensor("attn_q_norm.weight", (shape.head_dim,), Fill.NORM)
        yield Tensor("attn_k_norm.weight", (shape.head_dim,), Fill.NORM)
    if shape.architecture == "gpt-oss":
        yield Tensor("attn_sinks.weight", (shape.n_heads,), Fill.BIAS)


def _latent_attention(shape: Shape, latent: LatentAttention) -> Iterator[Tensor]:
    rank, heads = latent.kv_lora_rank, shape.n_heads
    width = shape.dim
    if latent.q_lora_rank:
        yield Tensor("attn_q_a.weight", (width, latent.q_lora_rank))
        yield Tensor("attn_q_a_norm.weight", (latent.q_lora_rank,), Fill.NORM)
        width = latent.q_lora_rank
    query = "attn_q_b" if latent.q_lora_rank else "attn_q"
    yield Tensor(f"{query}.weight", (width, heads * (latent.nope_dim + latent.rope_dim)))
    yield Tensor("attn_kv_a_mqa.weight", (shape.dim, rank + latent.rope_dim))
    yield Tensor("attn_kv_a_norm.weight", (rank,), Fill.NORM)
    yield Tensor("attn_k_b.weight", (latent.nope_dim, rank, heads))
    yield Tensor("attn_v_b.weight", (rank, latent.v_dim, heads))
    yield Tensor("attn_output.weight", (heads * latent.v_dim, shape.dim))


def _ffn(shape: Shape, layer: int) -> Iterator[Tensor]:
    norms = {"gpt-oss": ("post_attention_norm",), "gemma3": ("post_attention_norm", "ffn_norm")}
    for norm in norms.get(shape.architecture, ("ffn_norm",)):
        yield Tensor(f"{norm}.weight", (shape.dim,), Fill.NORM)
    experts = shape.experts
    if experts is None or layer < experts.n_dense_layers:
        yield from _gated_mlp("", shape.dim, shape.ffn_dim)
        if shape.architecture == "gemma3":
            yield Tensor("post_ffw_norm.weight", (shape.dim,), Fill.NORM)
        return
    biased = shape.architecture == "gpt-oss"
    yield Tensor("ffn_gate_inp.weight", (shape.dim, experts.n), Fill.ROUTER)
    if biased:
        yield Tensor("ffn_gate_inp.bias", (experts.n,), Fill.BIAS)
    if experts.groups:
        yield Tensor("exp_probs_b.bias", (experts.n,), Fill.BIAS)
    yield from _expert_mlps(shape.dim, experts, biased)
    if experts.n_shared:
        yield from _gated_mlp("_shexp", shape.dim, experts.n_shared * experts.ffn_dim)


def _gated_mlp(suffix: str, dim: int, ffn_dim: int) -> Iterator[Tensor]:
    yield Tensor(f"ffn_gate{suffix}.weight", (dim, ffn_dim))
    yield Tensor(f"ffn_up{suffix}.weight", (dim, ffn_dim))
    yield Tensor(f"ffn_down{suffix}.weight", (ffn_dim, dim))


def _expert_mlps(dim: int, experts: Experts, biased: bool) -> Iterator[Tensor]:
    for part, size in (
        ("ffn_gate_exps", (dim, experts.ffn_dim, experts.n)),
        ("ffn_up_exps", (dim, experts.ffn_dim, experts.n)),
        ("ffn_down_exps", (experts.ffn_dim, dim, experts.n)),
    ):
        yield Tensor(f"{part}.weight", size)
        if biased:
            yield Tensor(f"{part}.bias", size[1:], Fill.BIAS)
