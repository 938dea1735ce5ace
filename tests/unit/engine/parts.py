"""A small model in pieces, of which any can be changed before it is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import quants
from pestle.huggingface.architectures import ARCHITECTURES

from tests.oracle import checkpoints, gguf_file
from tests.oracle.checkpoints import CASES


@dataclass
class Parts:
    """Metadata without the architecture's prefix, and the tensors as they are stored."""

    architecture: str
    metadata: dict[str, Any]
    tensors: dict[str, np.ndarray]
    types: dict[str, str] = field(default_factory=dict)
    """Of the tensors that hold raw blocks, in rows of bytes."""
    general: dict[str, Any] = field(default_factory=dict)
    """Metadata under keys as they are."""

    def write(self, path: Path) -> Path:
        writer = gguf.GGUFWriter(path, self.architecture)
        prefixed = {f"{self.architecture}.{key}": value for key, value in self.metadata.items()}
        for key, value in (prefixed | self.general).items():
            _add(writer, key, value)
        for name, values in self.tensors.items():
            kind = self.types.get(name)
            writer.add_tensor(name, values, raw_dtype=None if kind is None else Type[kind])
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    def quantize(self, name: str, kind: str) -> None:
        self.tensors[name] = quants.quantize(self.tensors[name], Type[kind])
        self.types[name] = kind


def _add(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    if key == "general.alignment":
        writer.add_custom_alignment(value)
    elif isinstance(value, list):
        writer.add_array(key, value)
    elif isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, str):
        writer.add_string(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    elif value < 0:
        writer.add_int32(key, value)
    else:
        writer.add_uint32(key, value)


def parts(name: str = "llama-biases") -> Parts:
    """Those of a tiny checkpoint, in F32."""
    case = CASES[name]
    c = case.config
    metadata = {
        "context_length": c["max_position_embeddings"],
        "embedding_length": c["hidden_size"],
        "block_count": c["num_hidden_layers"],
        "feed_forward_length": c["intermediate_size"],
        "attention.head_count": c["num_attention_heads"],
        "attention.head_count_kv": c["num_key_value_heads"],
        "attention.key_length": case.head_dim,
        "attention.layer_norm_rms_epsilon": c["rms_norm_eps"],
        "rope.dimension_count": case.head_dim,
        "rope.freq_base": c["rope_parameters"]["rope_theta"],
    }
    tensors = gguf_file.gguf_weights(case, checkpoints.weights(case))
    return Parts(ARCHITECTURES[case.model_type].name, metadata, tensors)


def windowed_parts(window: int) -> Parts:
    """Gemma 3 over the matrices of a tiny Llama: every second layer has a window."""
    model = parts("llama-tied")
    model.architecture = "gemma3"
    model.metadata |= {
        "context_length": 20_000,
        "attention.sliding_window": window,
        "attention.sliding_window_pattern": 2,
    }
    head_dim, dim = model.metadata["attention.key_length"], model.metadata["embedding_length"]
    widths = {"attn_q": head_dim, "attn_k": head_dim, "post_attention": dim, "post_ffw": dim}
    for layer in range(2):
        for seed, (name, width) in enumerate(widths.items()):
            random = np.random.default_rng([layer, seed])
            weight = random.uniform(0.5, 1.5, width).astype(np.float32)
            model.tensors[f"blk.{layer}.{name}_norm.weight"] = weight
    return model
