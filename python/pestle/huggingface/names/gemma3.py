"""`gemma3`: the text model of Gemma 3. GGUF's norms hold what the checkpoint's leave 1 away."""

from typing import Final

from pestle.huggingface.names.base import ATTENTION, MLP, WHOLE_MODEL, Into, NameMap
from pestle.tensors.transforms import plus_one

GEMMA3: Final = NameMap(
    "gemma3",
    ("gemma3", "gemma3_text"),
    {
        **ATTENTION,
        **MLP,
        "input_layernorm": Into("attn_norm", plus_one),
        "self_attn.q_norm": Into("attn_q_norm", plus_one),
        "self_attn.k_norm": Into("attn_k_norm", plus_one),
        "post_attention_layernorm": Into("post_attention_norm", plus_one),
        "pre_feedforward_layernorm": Into("ffn_norm", plus_one),
        "post_feedforward_layernorm": Into("post_ffw_norm", plus_one),
    },
    {**WHOLE_MODEL, "model.norm": Into("output_norm", plus_one)},
    wrapper="language_model.",
    ignored=(
        "vision_tower.",
        "multi_modal_projector.",
        "model.vision_tower.",
        "model.multi_modal_projector.",
    ),
)
