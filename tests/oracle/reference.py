"""The forward pass of llama and qwen2, in float64 and without a cache: what the core computes.

It reads Hugging Face's names and is itself checked against the logits of `transformers`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .checkpoints import Case, Weights

KNOWN = ("llama", "qwen2")
"""By `model_type`."""


def rms_norm(x: np.ndarray, weight: np.ndarray, epsilon: float) -> np.ndarray:
    return weight * x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + epsilon)


def rope_factors(rope: dict[str, Any], head_dim: int) -> tuple[np.ndarray, float]:
    """What each frequency of RoPE is divided by, and the magnitude of the rotation."""
    kind, theta = rope["rope_type"], rope["rope_theta"]
    i = np.arange(head_dim // 2)
    inverse = theta ** (-2 * i / head_dim)
    factor, original = rope.get("factor", 1.0), rope.get("original_max_position_embeddings", 0)
    if kind == "default":
        return np.ones(head_dim // 2), 1.0
    if kind == "linear":
        return np.full(head_dim // 2, factor), 1.0
    if kind == "llama3":
        low, high = rope["low_freq_factor"], rope["high_freq_factor"]
        smooth = np.clip((original * inverse / (2 * np.pi) - low) / (high - low), 0, 1)
        return 1 / ((1 - smooth) / factor + smooth), 1.0
    if kind == "yarn":

        def dimension(rotations: float) -> float:
            turns = np.log(original / (2 * np.pi * rotations))
            return float(head_dim * turns / (2 * np.log(theta)))

        low = max(np.floor(dimension(32)), 0)
        high = min(np.ceil(dimension(1)), head_dim - 1)
        ramp = np.clip((i - low) / max(high - low, 0.001), 0, 1)
        return 1 / ((1 - ramp) + ramp / factor), 0.1 * np.log(factor) + 1
    raise ValueError(kind)


def rotate(x: np.ndarray, rope: dict[str, Any]) -> np.ndarray:
    """RoPE over halves on x (positions, heads, head_dim)."""
    half = x.shape[-1] // 2
    factors, magnitude = rope_factors(rope, x.shape[-1])
    inverse = rope["rope_theta"] ** (-np.arange(half) / half) / factors
    angle = np.arange(len(x))[:, None, None] * inverse
    cos, sin = magnitude * np.cos(angle), magnitude * np.sin(angle)
    a, b = x[..., :half], x[..., half:]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)


def attention(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Causal; q (positions, heads, head_dim), k and v with fewer heads, each for a group of q's."""
    group = q.shape[1] // k.shape[1]
    k, v = np.repeat(k, group, axis=1), np.repeat(v, group, axis=1)
    scores = np.einsum("ihd,jhd->hij", q, k) / np.sqrt(q.shape[-1])
    scores[:, np.triu(np.ones(scores.shape[1:], bool), 1)] = -np.inf
    p = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.einsum("hij,jhd->ihd", p / p.sum(axis=-1, keepdims=True), v)


def logits(case: Case, parameters: Weights, token_ids: list[int]) -> np.ndarray:
    """float64 (positions, vocabulary) of one sequence."""
    tied = case.config["tie_word_embeddings"]
    head = parameters["model.embed_tokens.weight" if tied else "lm_head.weight"]
    return hidden_states(case, parameters, token_ids) @ head.astype(np.float64).T


def hidden_states(case: Case, parameters: Weights, token_ids: list[int]) -> np.ndarray:
    """float64 (positions, hidden_size) of one sequence, behind the last norm."""
    c = case.config
    w = {name: values.astype(np.float64) for name, values in parameters.items()}
    n = len(token_ids)

    def linear(module: str, x: np.ndarray) -> np.ndarray:
        return x @ w[f"{module}.weight"].T + w.get(f"{module}.bias", 0.0)

    def norm(module: str, x: np.ndarray) -> np.ndarray:
        return rms_norm(x, w[f"{module}.weight"], c["rms_norm_eps"])

    x = w["model.embed_tokens.weight"][token_ids]
    for layer in range(c["num_hidden_layers"]):
        block = f"model.layers.{layer}"
        h = norm(f"{block}.input_layernorm", x)
        q, k, v = (
            linear(f"{block}.self_attn.{m}_proj", h).reshape(n, -1, case.head_dim) for m in "qkv"
        )
        mixed = attention(rotate(q, case.rope), rotate(k, case.rope), v).reshape(n, -1)
        x = x + linear(f"{block}.self_attn.o_proj", mixed)
        h = norm(f"{block}.post_attention_layernorm", x)
        gate = linear(f"{block}.mlp.gate_proj", h)
        gated = gate / (1 + np.exp(-gate)) * linear(f"{block}.mlp.up_proj", h)
        x = x + linear(f"{block}.mlp.down_proj", gated)
    return norm("model.norm", x)
