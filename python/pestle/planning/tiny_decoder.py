"""What a layer costs beside its weights, measured on a decoder that has few of them."""

from __future__ import annotations

import time
from typing import Final

from pestle import _core, files
from pestle.gguf.header import HeaderTensor, aligned, header_bytes
from pestle.types import TYPES

DIM: Final = 1024
_HEAD: Final = 128
_TYPE: Final = TYPES["Q4_0"]
_LAYERS: Final = (2, 8)
_MATRICES: Final = (
    "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down",
)  # fmt: skip
WIDTH: Final = DIM * len(_MATRICES)
"""Values that a layer's products give for a token."""
_ROUNDS: Final = 3
_CONTEXT: Final = 1024


def layer_seconds(rows: int, threads: int) -> float:
    """Seconds of one layer of a pass of `rows` tokens, without what its products take: norms,
    rotation, the activation, attention to the tokens themselves, and threads that wait."""
    few, many = (_pass_seconds(n, rows, threads) for n in _LAYERS)
    size = _LAYERS[1] * len(_MATRICES) * _row_bytes() * DIM
    product = _core.ProductProbe(size, threads).seconds(_TYPE.name, False, DIM, DIM, rows)
    layer = (many - few) / (_LAYERS[1] - _LAYERS[0])
    return max(layer - len(_MATRICES) * product, 0.02 * layer)


def _row_bytes() -> int:
    return DIM // _TYPE.block_elems * _TYPE.block_bytes


def _pass_seconds(n_layers: int, rows: int, threads: int) -> float:
    """The fastest of some passes of `rows` tokens, in seconds."""
    with files.scratch_folder() as folder:
        path = folder / "layers.gguf"
        with files.created(path) as stream:
            stream.write(_file(n_layers))
        model = _core.Model(path, threads=threads)
    engine = _core.Engine(model, n_ctx=_CONTEXT, threads=threads, chunk=max(rows, 1))
    passes = 50 if rows == 1 else 1
    best = float("inf")
    for _ in range(_ROUNDS):
        sequence = engine.sequence()
        if rows == 1:
            engine.step([(sequence, [0])], "none")
        begin = time.perf_counter()
        for _ in range(passes):
            engine.step([(sequence, [0] * rows)], "none")
        best = min(best, (time.perf_counter() - begin) / passes)
    return best


def _file(n_layers: int) -> bytes:
    """A Llama whose weights are all zero."""
    keys = {
        "general.architecture": "llama",
        "llama.block_count": n_layers,
        "llama.context_length": _CONTEXT,
        "llama.embedding_length": DIM,
        "llama.feed_forward_length": DIM,
        "llama.attention.head_count": DIM // _HEAD,
        "llama.attention.head_count_kv": DIM // _HEAD,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
    }
    shapes = {"token_embd.weight": (32, DIM), "output_norm.weight": (DIM,)}
    for i in range(n_layers):
        shapes |= {f"blk.{i}.{name}_norm.weight": (DIM,) for name in ("attn", "ffn")}
        shapes |= {f"blk.{i}.{name}.weight": (DIM, DIM) for name in _MATRICES}
    tensors, size = [], 0
    for name, shape in shapes.items():
        matrix = len(shape) == 2
        tensors.append(HeaderTensor(name, shape, _TYPE.id if matrix else 0, size))
        size += aligned(shape[0] * _row_bytes() if matrix else 4 * DIM)
    return header_bytes(keys, tensors) + bytes(size)
