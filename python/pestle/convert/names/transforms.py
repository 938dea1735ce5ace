"""What becomes of a checkpoint's values on their way into GGUF.

Those that belong to experts act on the last axes: on one expert or on all of a fused tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Config = Mapping[str, Any]
"""config.json."""
Transform = Callable[[Array, Config], Array]


def unchanged(values: Array, config: Config) -> Array:
    return values


def plus_one(values: Array, config: Config) -> Array:
    """Gemma multiplies by 1 + w, GGUF's norms by w."""
    return np.add(values, 1, dtype=values.dtype)


def transposed(values: Array, config: Config) -> Array:
    """From (in, out) to rows."""
    return values.swapaxes(-1, -2)


def first_half(values: Array, config: Config) -> Array:
    """The gate's rows, where the up projection's follow them."""
    return values[..., : values.shape[-2] // 2, :]


def second_half(values: Array, config: Config) -> Array:
    return values[..., values.shape[-2] // 2 :, :]


def interleave_halves(rows: Array, n_heads: int) -> Array:
    """Reorders the rows of a q or k projection (weight or bias) from RoPE over halves to pairs.

    Hugging Face rotates row i of a head with row i + head_dim / 2, GGUF's `llama` rotates
    neighbours: within each head, rows 0 1 2 .. become 0 h 1 h+1 .. (h = head_dim / 2).
    """
    head_dim, remainder = divmod(rows.shape[0], n_heads)
    if remainder or head_dim % 2:
        raise ValueError(f"{rows.shape[0]} rows do not make {n_heads} heads of an even size")
    halves = rows.reshape(n_heads, 2, head_dim // 2, *rows.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(rows.shape)


def _heads_of_kv_b(values: Array, config: Config) -> tuple[Array, int]:
    """Multi-head latent attention's up-projection as (head, keys then values, latent)."""
    n_heads, nope, v = (
        int(config[key]) for key in ("num_attention_heads", "qk_nope_head_dim", "v_head_dim")
    )
    if values.shape[0] != n_heads * (nope + v):
        raise ValueError(
            f"{values.shape[0]} rows do not make {n_heads} heads of {nope} keys and {v} values"
        )
    return values.reshape(n_heads, nope + v, values.shape[1]), nope


def keys_of_kv_b(values: Array, config: Config) -> Array:
    """(head, latent, keys): transposed, because it is absorbed into the query."""
    heads, nope = _heads_of_kv_b(values, config)
    return heads[:, :nope].swapaxes(1, 2)


def values_of_kv_b(values: Array, config: Config) -> Array:
    """(head, values, latent)."""
    heads, nope = _heads_of_kv_b(values, config)
    return heads[:, nope:]
