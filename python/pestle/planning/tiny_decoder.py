"""What a layer costs beside its weights, measured on a decoder that has next to none."""

from __future__ import annotations

import time
from typing import Final

from pestle import _core, files
from pestle.gguf.header import HeaderTensor, aligned, header_bytes

_DIM: Final = 64
_LAYERS: Final = (2, 34)
_STEPS: Final = 40
_ROUNDS: Final = 5
_PRODUCTS: Final = 7
"""Of a layer: q, k, v, o, gate, up, down."""


def layer_seconds(threads: int) -> float:
    """Seconds of one decoded token in one layer, without what its products took by themselves."""
    few, many = (_step_seconds(n, threads) for n in _LAYERS)
    product = _core.measure_product("F32", False, _DIM, _DIM, 1, threads, 1 << 20)
    layer = (many - few) / (_LAYERS[1] - _LAYERS[0])
    return max(layer - _PRODUCTS * product, 0.1 * layer)


def _step_seconds(n_layers: int, threads: int) -> float:
    """The fastest of some rounds of decoding, seconds a token."""
    keys = {
        "general.architecture": "llama",
        "llama.block_count": n_layers,
        "llama.context_length": 4096,
        "llama.embedding_length": _DIM,
        "llama.feed_forward_length": _DIM,
        "llama.attention.head_count": 1,
        "llama.attention.head_count_kv": 1,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
    }
    square, line = (_DIM, _DIM), (_DIM,)
    shapes = {"token_embd.weight": square, "output_norm.weight": line}
    for i in range(n_layers):
        for name in ("attn_norm", "ffn_norm"):
            shapes[f"blk.{i}.{name}.weight"] = line
        for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
            shapes[f"blk.{i}.{name}.weight"] = square
    tensors, size = [], 0
    for name, shape in shapes.items():
        tensors.append(HeaderTensor(name, shape, 0, size))
        size += aligned(4 * _DIM * (_DIM if len(shape) > 1 else 1))
    with files.scratch_folder() as folder:
        path = folder / "layers.gguf"
        with files.created(path) as stream:
            stream.write(header_bytes(keys, tensors) + bytes(size))
        model = _core.Model(path, threads=threads)
    engine = _core.Engine(model, n_ctx=4096, threads=threads)
    best = float("inf")
    for _ in range(_ROUNDS):
        sequence = engine.sequence()
        engine.step([(sequence, [0])])
        begin = time.perf_counter()
        for _ in range(_STEPS):
            engine.step([(sequence, [0])])
        best = min(best, (time.perf_counter() - begin) / _STEPS)
    return best
