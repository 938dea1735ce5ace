"""The metadata of a tiny checkpoint's GGUF file: the converter's, and that of older ones."""

from __future__ import annotations

from typing import Any

from pestle.huggingface import ModelConfig
from pestle.huggingface.architectures import ARCHITECTURES, architecture_keys

from .case import Case

Metadata = dict[str, Any]


def metadata(case: Case, *, legacy: bool = False) -> Metadata:
    """Keys without the architecture's name. `legacy`: DeepSeek's, before its heads were split."""
    keys = architecture_keys(ARCHITECTURES[case.model_type].name, ModelConfig(case.config))
    if not legacy:
        return keys
    return {key: value for key, value in keys.items() if not key.endswith("_mla")} | {
        "attention.head_count_kv": case.config["num_key_value_heads"],
        "attention.key_length": keys["attention.key_length_mla"],
        "attention.value_length": keys["attention.value_length_mla"],
    }
