"""A transform of some groups at a time gives what it gives for the whole tensor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pestle.huggingface.architectures import ARCHITECTURES

CONFIG: dict[str, Any] = {
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": 2,
    "num_local_experts": 3,
    "qk_nope_head_dim": 3,
    "v_head_dim": 5,
}
CASES = (
    ("llama", "self_attn.q_proj.weight", (24, 5)),
    ("llama", "self_attn.k_proj.bias", (12,)),
    ("llama", "mlp.up_proj.weight", (7, 3)),
    ("gemma3_text", "input_layernorm.weight", (6,)),
    ("deepseek_v3", "self_attn.kv_b_proj.weight", (32, 6)),
    ("gpt_oss", "mlp.experts.gate_up_proj", (3, 4, 6)),
    ("gpt_oss", "mlp.experts.gate_up_proj_blocks", (3, 6, 17)),
    ("gpt_oss", "mlp.experts.gate_up_proj_bias", (3, 6)),
    ("gpt_oss", "mlp.experts.down_proj", (3, 4, 6)),
    ("qwen3_moe", "mlp.experts.gate_up_proj", (3, 8, 6)),
)


@pytest.mark.parametrize(("model_type", "name", "shape"), CASES)
def test_groups_follow_each_other(model_type: str, name: str, shape: tuple[int, ...]) -> None:
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    source = f"model.layers.1.{name}"
    for tensor in ARCHITECTURES[model_type].tensors([source], CONFIG):
        (part,) = tensor.parts
        group = part.transform.group(shape[0], CONFIG)
        assert shape[0] % group == 0
        whole = part.values({source: values}.__getitem__, CONFIG)
        pieces = [
            part.transform.apply(values[begin : begin + group], group, CONFIG)
            for begin in range(0, shape[0], group)
        ]
        assert np.concatenate(pieces).tolist() == whole.tolist()
        assert part.transform.shape(shape, CONFIG) == whole.shape
