"""`llama`: Llama 1 to 3, SmolLM2, Mistral. Its RoPE turns neighbours: the rows of q and k move."""

from typing import Final

from pestle.convert.names.base import ATTENTION, MLP, Into, NameMap
from pestle.convert.names.transforms import Array, Config, interleave_halves


def _q(rows: Array, config: Config) -> Array:
    return interleave_halves(rows, config["num_attention_heads"])


def _k(rows: Array, config: Config) -> Array:
    heads = config.get("num_key_value_heads") or config["num_attention_heads"]
    return interleave_halves(rows, heads)


LLAMA: Final = NameMap(
    "llama",
    ("llama",),
    {
        **ATTENTION,
        **MLP,
        "self_attn.q_proj": Into("attn_q", _q),
        "self_attn.k_proj": Into("attn_k", _k),
    },
)
