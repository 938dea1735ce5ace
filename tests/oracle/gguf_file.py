"""Writes a tiny checkpoint as GGUF, in any type that weights may have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import quants
from pestle.convert.names import NAME_MAPS
from pestle.convert.names.llama import interleave_halves

from .checkpoints import Case, Weights
from .reference import rope_factors

NUMPY_TYPES = ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "MXFP4")
"""Those that the `gguf` package quantizes to; `libgguf` does the others."""
LIBGGUF_TYPES = ("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS")

Choice = str | Callable[[str], str]


def encode(values: np.ndarray, type_name: str) -> np.ndarray:
    """Rows of `values` as raw blocks (the last axis in bytes, but for F32 and F16)."""
    if type_name in NUMPY_TYPES:
        return quants.quantize(values, Type[type_name])
    import libgguf

    return np.asarray(libgguf.quantize_rows(values, Type[type_name]), dtype=np.uint8)


def gguf_weights(case: Case, parameters: Weights) -> Weights:
    """The tensors as GGUF has them, float32: renamed, rotated rows in its order, rope_freqs."""
    names = NAME_MAPS[case.model_type]
    heads = {
        "attn_q": case.config["num_attention_heads"],
        "attn_k": case.config["num_key_value_heads"],
    }
    out: Weights = {}
    for hf_name, values in parameters.items():
        name = names.gguf_name(hf_name)
        if name is None:
            continue
        if names.is_rotated(name):
            out[name] = interleave_halves(values, heads[name.split(".")[-2]])
        else:
            out[name] = values
    if case.rope["rope_type"] == "llama3":
        out["rope_freqs.weight"] = rope_factors(case.rope, case.head_dim)[0].astype(np.float32)
    return out


def stored_type(name: str, values: np.ndarray, choice: Choice) -> str:
    """`choice` for matrices; F16 where its blocks do not divide the rows; F32 for vectors."""
    if values.ndim < 2:
        return "F32"
    wanted = choice if isinstance(choice, str) else choice(name)
    return wanted if values.shape[-1] % gguf.GGML_QUANT_SIZES[Type[wanted]][0] == 0 else "F16"


def write(
    path: Path, case: Case, parameters: Weights, choice: Choice = "F32", *, widen: bool = False
) -> Path:
    """Writes `path`. `choice`: the type of the matrices, or of the one with that GGUF name.

    With `widen` the values are rounded to that type but stored as F32.
    """
    writer = gguf.GGUFWriter(path, NAME_MAPS[case.model_type].architecture)
    _add_metadata(writer, case)
    for name, values in gguf_weights(case, parameters).items():
        kind = stored_type(name, values, choice)
        data = encode(values, kind)
        if widen:
            writer.add_tensor(name, quants.dequantize(data, Type[kind]).astype(np.float32))
        else:
            writer.add_tensor(name, data, raw_dtype=Type[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_metadata(writer: gguf.GGUFWriter, case: Case) -> None:
    c, rope = case.config, case.rope
    writer.add_name(case.name)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_context_length(c["max_position_embeddings"])
    writer.add_embedding_length(c["hidden_size"])
    writer.add_block_count(c["num_hidden_layers"])
    writer.add_feed_forward_length(c["intermediate_size"])
    writer.add_head_count(c["num_attention_heads"])
    writer.add_head_count_kv(c["num_key_value_heads"])
    writer.add_key_length(case.head_dim)
    writer.add_value_length(case.head_dim)
    writer.add_layer_norm_rms_eps(c["rms_norm_eps"])
    writer.add_vocab_size(c["vocab_size"])
    writer.add_rope_freq_base(rope["rope_theta"])
    if case.model_type == "llama":
        writer.add_rope_dimension_count(case.head_dim)
    if rope["rope_type"] in ("linear", "yarn"):
        writer.add_rope_scaling_type(gguf.RopeScalingType(rope["rope_type"]))
        writer.add_rope_scaling_factor(rope["factor"])
    if rope["rope_type"] == "yarn":
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])
    writer.add_tokenizer_model("none")
