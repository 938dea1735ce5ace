"""`gemma3`: the text model of Gemma 3. GGUF's norms hold what the checkpoint's leave 1 away."""

from __future__ import annotations

from typing import Final

from pestle._core import GEMMA3_LAYERS_OF_27B
from pestle.huggingface.architectures.base import (
    ATTENTION,
    MLP,
    WHOLE_MODEL,
    Architecture,
    TensorTarget,
)
from pestle.huggingface.architectures.keys import Keys, window_keys
from pestle.huggingface.config import SLIDING, ModelConfig, is_float32
from pestle.tensors.transforms import plus_one

_PERIOD: Final = 6


def _keys(c: ModelConfig) -> Keys:
    c.require("hidden_activation", "gelu_pytorch_tanh")
    c.require("use_bidirectional_attention", wanted=False)
    c.require("attn_logit_softcapping", None)
    c.require("final_logit_softcapping", None)
    scalar = c.whole("head_dim")
    if c.whole("num_hidden_layers") == GEMMA3_LAYERS_OF_27B:
        scalar = c.whole("hidden_size") // c.whole("num_attention_heads")
    c.require("query_pre_attn_scalar", scalar)
    return {
        **window_keys(c, _PERIOD),
        "rope.freq_base_swa": _local_base(c),
    }


def _local_base(c: ModelConfig) -> float:
    theta = c.rope(SLIDING).get("rope_theta")
    if not is_float32(theta):
        raise c.error("rope_parameters", "a number for the windows' rope_theta")
    return float(theta)


GEMMA3: Final = Architecture(
    "gemma3",
    ("gemma3", "gemma3_text"),
    _keys,
    {
        **ATTENTION,
        **MLP,
        "input_layernorm": TensorTarget("attn_norm", plus_one),
        "self_attn.q_norm": TensorTarget("attn_q_norm", plus_one),
        "self_attn.k_norm": TensorTarget("attn_k_norm", plus_one),
        "post_attention_layernorm": TensorTarget("post_attention_norm", plus_one),
        "pre_feedforward_layernorm": TensorTarget("ffn_norm", plus_one),
        "post_feedforward_layernorm": TensorTarget("post_ffw_norm", plus_one),
    },
    {**WHOLE_MODEL, "model.norm": TensorTarget("output_norm", plus_one)},
    wrapper="language_model.",
    ignored=(
        "vision_tower.",
        "multi_modal_projector.",
        "model.vision_tower.",
        "model.multi_modal_projector.",
    ),
)
