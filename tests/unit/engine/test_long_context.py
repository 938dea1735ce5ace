"""A context of 131,072 tokens: memory grows with the text, and a needle at its far end is found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pestle import _core

from tests.oracle.reference import rms_norm

from .feeding import same_bits
from .parts import Parts, parts

N_CTX = 131_072
NEEDLE_AT = 1_000
NEEDLE, LAST = 120, 121
"""Tokens: the first stands once in the text, the second looks for it."""
HEAD_DIM = 16


def text() -> list[int]:
    tokens = [(7 * i * i + 3 * i) % 97 for i in range(N_CTX)]
    tokens[NEEDLE_AT], tokens[-1] = NEEDLE, LAST
    return tokens


def turned(x: np.ndarray, positions: np.ndarray, base: float, way: int = 1) -> np.ndarray:
    """RoPE of adjacent channels, which is the order of the file's rows.

    The angle is rounded to float32, as in the code that models are trained with.
    """
    frequency = base ** (-np.arange(0, HEAD_DIM, 2) / HEAD_DIM)
    angle = positions.astype(np.float32)[:, None] * frequency.astype(np.float32)
    cos, sin = np.cos(angle.astype(np.float64)), way * np.sin(angle.astype(np.float64))
    out = np.empty_like(x)
    out[:, ::2] = x[:, ::2] * cos - x[:, 1::2] * sin
    out[:, 1::2] = x[:, 1::2] * cos + x[:, ::2] * sin
    return out


def one_layer() -> Parts:
    """One layer of one head: what a token leaves in the cache depends on that token alone."""
    model = parts("llama-tied")
    model.metadata |= {
        "block_count": 1,
        "attention.head_count": 1,
        "attention.head_count_kv": 1,
        "context_length": N_CTX,
    }
    tensors = {n: t for n, t in model.tensors.items() if not n.startswith("blk.1.")}
    for name in ("attn_q", "attn_k", "attn_v"):
        tensors[f"blk.0.{name}.weight"] = tensors[f"blk.0.{name}.weight"][:HEAD_DIM].copy()
    tensors["blk.0.attn_output.weight"] = tensors["blk.0.attn_output.weight"][:, :HEAD_DIM].copy()
    # The needle has as large a key as there can be; the query has its direction, at their distance.
    norm = tensors["blk.0.attn_norm.weight"]
    k, q = (tensors[f"blk.0.attn_{n}.weight"].astype(np.float64) * norm for n in "kq")
    key = np.linalg.svd(k)[0][:, :1].T
    base = model.metadata["rope.freq_base"]
    query = turned(turned(key, np.array([NEEDLE_AT]), base), np.array([N_CTX - 1]), base, -1)
    table = tensors["token_embd.weight"]
    for token, matrix, wanted in ((NEEDLE, k, key), (LAST, q, query)):
        row = np.linalg.pinv(matrix) @ wanted[0]
        table[token] = row / np.linalg.norm(row) * np.linalg.norm(table[0])
    model.tensors = tensors
    return model


def reference(model: Parts, tokens: list[int]) -> tuple[np.ndarray, float]:
    """The last token's logits in float64, and the share of the needle in its attention."""
    w = {name: values.astype(np.float64) for name, values in model.tensors.items()}
    base = model.metadata["rope.freq_base"]

    def normed(x: np.ndarray, name: str) -> np.ndarray:
        epsilon = model.metadata["attention.layer_norm_rms_epsilon"]
        return rms_norm(x, w[f"{name}_norm.weight"], epsilon)

    table = w["token_embd.weight"]
    q, k, v = (normed(table, "blk.0.attn") @ w[f"blk.0.attn_{n}.weight"].T for n in "qkv")
    query = turned(q[tokens[-1:]], np.array([len(tokens) - 1]), base)[0]
    score = turned(k[tokens], np.arange(len(tokens)), base) @ query / np.sqrt(HEAD_DIM)
    share = np.exp(score - score.max())
    share /= share.sum()
    x = table[tokens[-1]] + w["blk.0.attn_output.weight"] @ (share @ v[tokens])
    inner = normed(x, "blk.0.ffn")
    gate, up = w["blk.0.ffn_gate.weight"] @ inner, w["blk.0.ffn_up.weight"] @ inner
    x = x + w["blk.0.ffn_down.weight"] @ (gate / (1 + np.exp(-gate)) * up)
    return table @ normed(x, "output"), float(share[NEEDLE_AT])


@pytest.mark.parametrize(("kv_type", "tolerance"), [("f32", 1e-4), ("i16", 1e-3), ("q8_0", 0.02)])
def test_to_the_last_position(tmp_path: Path, kv_type: str, tolerance: float) -> None:
    parts_of_model, tokens = one_layer(), text()
    model = _core.Model(parts_of_model.write(tmp_path / "m.gguf"), threads=2)
    assert model.n_ctx_train == N_CTX
    engine = _core.Engine(model, threads=2, kv_type=kv_type)
    per_slab = 64 * 64 * engine.kv_memory.bytes_per_token
    sequence, near_end = engine.sequence(), N_CTX - 700
    for start in range(0, N_CTX, 4096):
        engine.step([(sequence, tokens[start : min(start + 4096, near_end)])], "none")
        assert engine.kv_bytes == (start // 4096 + 1) * per_slab

    logits = []
    for size in (700, 64, 7):
        fork = sequence.fork(near_end)
        for start in range(near_end, N_CTX, size):
            engine.step([(fork, tokens[start : start + size])])
        assert fork.n_tokens == N_CTX
        logits.append(engine.logits()[0])
    assert all(same_bits(each, logits[0]) for each in logits[1:])
    expected, share = reference(parts_of_model, tokens)
    assert share > 0.5
    assert np.abs(logits[0] - expected).max() < tolerance * np.abs(expected).max()
