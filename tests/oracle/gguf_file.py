"""Writes a tiny checkpoint as GGUF, in any type that weights may have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import quants
from pestle.huggingface import ModelConfig
from pestle.huggingface.architectures import ARCHITECTURES
from pestle.huggingface.metadata import rope_divisors

from .checkpoints import Case, Weights
from .gguf_metadata import metadata

NUMPY_TYPES = ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "MXFP4")
"""Those that the `gguf` package quantizes to; `libgguf` does the others."""
LIBGGUF_TYPES = ("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS")

Choice = str | Callable[[str], str]


def encode(values: np.ndarray, type_name: str) -> np.ndarray:
    """Rows of `values` as raw blocks (the last axis in bytes, but for F32 and F16)."""
    if type_name in NUMPY_TYPES:
        return quants.quantize(values, Type[type_name])
    import libgguf

    rows = libgguf.quantize_rows(values.reshape(-1, values.shape[-1]), Type[type_name])
    return np.asarray(rows, dtype=np.uint8).reshape(*values.shape[:-1], -1)


def gguf_weights(case: Case, parameters: Weights, *, legacy: bool = False) -> Weights:
    """The tensors as GGUF has them, float32: renamed and transformed, rope_freqs.

    `legacy`: DeepSeek's up-projections of the latent in one piece, as in files of early 2025.
    """
    out: Weights = {}
    for tensor in ARCHITECTURES[case.model_type].tensors(parameters, case.config):
        kind = tensor.name.split(".")[-2]
        if legacy and kind == "attn_k_b":
            out[tensor.name.replace("k_b", "kv_b")] = parameters[tensor.parts[0].source]
        elif not (legacy and kind == "attn_v_b"):
            values = tensor.values(parameters.__getitem__, case.config)
            out[tensor.name] = np.ascontiguousarray(values)
    if (divisors := rope_divisors(ModelConfig(case.config))) is not None:
        out["rope_freqs.weight"] = divisors
    return out


def stored_type(name: str, values: np.ndarray, choice: Choice) -> str:
    """`choice` for matrices; F16 where its blocks do not divide the rows.

    F32 for vectors, experts' biases and routers.
    """
    if values.ndim < 2 or name.endswith(("bias", "ffn_gate_inp.weight")):
        return "F32"
    wanted = choice if isinstance(choice, str) else choice(name)
    return wanted if values.shape[-1] % gguf.GGML_QUANT_SIZES[Type[wanted]][0] == 0 else "F16"


def write(
    path: Path,
    case: Case,
    parameters: Weights,
    choice: Choice = "F32",
    *,
    widen: bool = False,
    legacy: bool = False,
) -> Path:
    """Writes `path`. `choice`: the type of the matrices, or of the one with that GGUF name.

    With `widen` the values are rounded to that type but stored as F32.
    """
    writer = gguf.GGUFWriter(path, ARCHITECTURES[case.model_type].name)
    writer.add_name(case.name)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    for key, value in metadata(case, legacy=legacy).items():
        _add(writer, f"{writer.arch}.{key}", value)
    writer.add_tokenizer_model("none")
    for name, values in gguf_weights(case, parameters, legacy=legacy).items():
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


def _add(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    add = {
        bool: writer.add_bool,
        int: writer.add_uint32,
        float: writer.add_float32,
        str: writer.add_string,
    }
    add[type(value)](key, value)
