"""Valid models of every architecture, so small that loading and running one takes milliseconds.

They are those of tests/oracle, smaller: the same parameters and names, by the same tables.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from pestle.errors import Error
from pestle.quantization import quantize_rows, row_bytes
from pestle.types import QUANTIZABLE, TYPES

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pestle.huggingface import architectures

from fuzzing import tiny_vocabularies
from fuzzing.gguf_document import Document, TensorData, entry_of
from tests.oracle import checkpoints
from tests.oracle.case import Case
from tests.oracle.gguf_file import gguf_weights
from tests.oracle.gguf_metadata import metadata

CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def _config(model_type: str, **more: Any) -> dict[str, Any]:
    return {
        "model_type": model_type,
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 16,
        "vocab_size": tiny_vocabularies.SIZE,
        "max_position_embeddings": 256,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": True,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
    } | more


_YARN = {
    "rope_type": "yarn",
    "rope_theta": 10000.0,
    "factor": 4.0,
    "original_max_position_embeddings": 64,
}
_LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
_MOE = {
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "norm_topk_prob": True,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
}
_MLA = {
    "num_key_value_heads": 2,
    "q_lora_rank": 32,
    "kv_lora_rank": 32,
    "qk_nope_head_dim": 16,
    "qk_rope_head_dim": 16,
    "v_head_dim": 16,
    "first_k_dense_replace": 1,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "attention_bias": False,
    "n_group": 2,
    "topk_group": 1,
    "norm_topk_prob": True,
    "routed_scaling_factor": 1.5,
    "n_shared_experts": 1,
}
_KINDS = ["sliding_attention", "full_attention"]
CONFIGS = {
    "llama": _config("llama", rope_parameters=_LLAMA3, tie_word_embeddings=False),
    "llama-256": _config("llama", hidden_size=256, head_dim=64, intermediate_size=256),
    "qwen2": _config("qwen2", rope_parameters=_YARN),
    "qwen3": _config("qwen3"),
    "qwen3moe": _config("qwen3_moe", **_MOE),
    "gpt-oss": _config(
        "gpt_oss",
        num_local_experts=4, num_experts_per_tok=2, sliding_window=8, attention_bias=True,
        layer_types=_KINDS, swiglu_limit=7.0, rope_parameters=_YARN | {"truncate": False},
    ),
    "deepseek2": _config("deepseek_v3", head_dim=16, **_MLA),
    "deepseek2-lite": _config(
        "deepseek_v2", **_MLA | {"q_lora_rank": None, "topk_method": "greedy", "n_group": 1},
    ),
    "gemma3": _config(
        "gemma3_text", num_hidden_layers=2, sliding_window=8, layer_types=_KINDS,
        query_pre_attn_scalar=16,
        rope_parameters={
            "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
            "full_attention": {"rope_type": "linear", "rope_theta": 1e6, "factor": 8.0},
        },
    ),
}  # fmt: skip
ARCHITECTURES = tuple(CONFIGS)
TYPE_IDS = tuple(TYPES[kind].id for kind in QUANTIZABLE)


def case_of(architecture: str) -> Case:
    """The checkpoint of which a model is."""
    return Case(architecture, CONFIGS[architecture])


@cache
def weights_of(architecture: str) -> checkpoints.Weights:
    """Under Hugging Face's names."""
    return checkpoints.weights(case_of(architecture))


@cache
def model(architecture: str, kind: str, vocabulary: str = "gpt2") -> Document:
    """A whole file, its matrices in type `kind` where that divides their rows."""
    case = case_of(architecture)
    name = architectures.ARCHITECTURES[case.model_type].name
    keys: dict[str, Any] = {
        "general.architecture": name,
        "general.name": architecture,
        "general.file_type": 0,
        "general.quantization_version": 2,
    }
    keys |= {f"{name}.{key}": value for key, value in metadata(case).items()}
    make = tiny_vocabularies.byte_level if vocabulary == "gpt2" else tiny_vocabularies.sentencepiece
    keys |= make() | {"tokenizer.chat_template": CHATML}
    entries = [entry_of(key, value) for key, value in keys.items()]
    parts = [
        _part(name, values, kind)
        for name, values in gguf_weights(case, weights_of(architecture)).items()
    ]
    return Document(entries, parts, extra={"architecture": name})


def _part(name: str, values: np.ndarray[Any, Any], kind: str) -> TensorData:
    rows = np.ascontiguousarray(values, np.float32).reshape(-1, values.shape[-1])
    if values.ndim < 2 or name.endswith(("bias", "ffn_gate_inp.weight")):
        kind = "F32"
    try:
        row_bytes(kind, rows.shape[1])
    except (Error, ValueError):
        kind = "F16"
    data = rows.tobytes() if kind == "F32" else quantize_rows(kind, rows, threads=1).tobytes()
    return TensorData(name, tuple(reversed(values.shape)), TYPES[kind].id, data)
