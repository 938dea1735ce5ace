"""Tiny checkpoints that are rebuilt anywhere, to the bit, from a name: no weights are committed.

A case is a config of `transformers` and a seed. Its weights have Hugging Face's names and shapes
and come from Philox's raw bits, which numpy keeps stable. Every parameter is random: a norm weight
of 1 or a bias of 0 would hide the code that forgets it.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

Weights = dict[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """One checkpoint. `config` has the names of config.json, with `rope_parameters` (v5)."""

    name: str
    config: dict[str, Any]
    seed: int = 1

    @property
    def model_type(self) -> str:
        return str(self.config["model_type"])

    @property
    def head_dim(self) -> int:
        default = self.config["hidden_size"] // self.config["num_attention_heads"]
        return int(self.config.get("head_dim") or default)

    @property
    def n_vocab(self) -> int:
        return int(self.config["vocab_size"])

    @property
    def rope(self) -> dict[str, Any]:
        return dict(self.config["rope_parameters"])


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


def _rope(kind: str, theta: float, **more: float) -> dict[str, Any]:
    return {"rope_parameters": {"rope_type": kind, "rope_theta": theta, **more}}


_LLAMA3 = _rope(
    "llama3",
    10000.0,
    factor=8.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=64,
)
_YARN = _rope("yarn", 10000.0, factor=4.0, original_max_position_embeddings=64)

CASES: dict[str, Case] = {
    case.name: case
    for case in (
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
        Case(
            "qwen2-tied",
            _config(
                "qwen2", 64, (4, 2), 96, 151, tie_word_embeddings=True, **_rope("default", 1e6)
            ),
            seed=3,
        ),
        Case(
            "qwen2-yarn", _config("qwen2", 96, (3, 1), 160, 131, rms_norm_eps=1e-6, **_YARN), seed=3
        ),
        Case("qwen2-256", _config("qwen2", 256, (4, 2), 512, 103, **_rope("default", 1e6))),
    )
}


def _normal(seed: int, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Nearly normal numbers (float64, mean 0, deviation 1): the sums of four 16-bit integers."""
    bits = np.random.Philox(key=[seed, zlib.crc32(name.encode())]).random_raw(int(np.prod(shape)))
    fours = bits.astype("<u8").view("<u2").reshape(-1, 4).astype(np.int64)
    return ((fours.sum(axis=1) - 2 * 65535) / (65536 / np.sqrt(3))).reshape(shape)


def weights(case: Case) -> Weights:
    """The parameters under Hugging Face's names, float32, in a fixed order."""
    c = case.config
    dim, ffn = c["hidden_size"], c["intermediate_size"]
    q, kv = (c[f"num_{k}_heads"] * case.head_dim for k in ("attention", "key_value"))
    qkv_bias = c.get("attention_bias", case.model_type == "qwen2")
    linear = {  # out, in, gain over 1 / sqrt(in), bias
        "self_attn.q_proj": (q, dim, 1.4, qkv_bias),
        "self_attn.k_proj": (kv, dim, 1.4, qkv_bias),
        "self_attn.v_proj": (kv, dim, 1.0, qkv_bias),
        "self_attn.o_proj": (dim, q, 1.5, c.get("attention_bias", False)),
        "mlp.gate_proj": (ffn, dim, 1.5, c.get("mlp_bias", False)),
        "mlp.up_proj": (ffn, dim, 1.0, c.get("mlp_bias", False)),
        "mlp.down_proj": (dim, ffn, 1.5, c.get("mlp_bias", False)),
    }
    out: Weights = {}

    def draw(name: str, shape: tuple[int, ...], deviation: float, mean: float = 0.0) -> None:
        numbers = mean + deviation * _normal(case.seed, name, shape)
        out[name] = numbers.astype(np.float32)

    draw("model.embed_tokens.weight", (c["vocab_size"], dim), 3 / np.sqrt(dim))
    for layer in range(c["num_hidden_layers"]):
        block = f"model.layers.{layer}."
        for norm in ("input_layernorm", "post_attention_layernorm"):
            draw(f"{block}{norm}.weight", (dim,), 0.3, mean=1.0)
        for module, (rows, columns, gain, bias) in linear.items():
            draw(f"{block}{module}.weight", (rows, columns), gain / np.sqrt(columns))
            if bias:
                draw(f"{block}{module}.bias", (rows,), 0.3)
    draw("model.norm.weight", (dim,), 0.3, mean=1.0)
    if not c["tie_word_embeddings"]:
        draw("lm_head.weight", (c["vocab_size"], dim), 3 / np.sqrt(dim))
    return out


def digest(parameters: Weights) -> str:
    """What the committed logits were computed from."""
    sha = hashlib.sha256()
    for name, values in parameters.items():
        sha.update(name.encode())
        sha.update(values.astype("<f4").tobytes())
    return sha.hexdigest()


def tokens(case: Case, n: int, stream: int = 0) -> list[int]:
    """`n` token ids."""
    key = [case.seed, zlib.crc32(f"tokens {case.name} {stream}".encode())]
    return (np.random.Philox(key=key).random_raw(n) % case.n_vocab).astype(int).tolist()
