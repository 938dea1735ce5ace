"""`qwen2` (and 2.5), `qwen3`, `qwen3moe`. RoPE over halves, as in the checkpoint: no row moves."""

from typing import Final

from pestle.huggingface.names.base import ATTENTION, EXPERTS, MLP, QK_NORMS, Into, NameMap
from pestle.tensors.transforms import first_half, second_half

QWEN2: Final = NameMap("qwen2", ("qwen2",), {**ATTENTION, **MLP})
QWEN3: Final = NameMap("qwen3", ("qwen3",), {**ATTENTION, **QK_NORMS, **MLP})
QWEN3MOE: Final = NameMap(
    "qwen3moe",
    ("qwen3_moe",),
    {
        **ATTENTION,
        **QK_NORMS,
        **EXPERTS,
        # As transformers 5 has them in memory: all experts of a layer, the gate before the up rows.
        "mlp.experts.gate_up_proj": (
            Into("ffn_gate_exps.weight", first_half),
            Into("ffn_up_exps.weight", second_half),
        ),
        "mlp.experts.down_proj": "ffn_down_exps.weight",
    },
)
