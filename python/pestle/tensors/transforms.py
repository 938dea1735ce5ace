"""What becomes of a checkpoint's values on their way into GGUF.

A transform acts on groups of the first axis, one after the other: heads, or experts, or single
rows. So a tensor of any size can be read, transformed and written some groups at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Config = Mapping[str, Any]
"""config.json."""


def _single(n: int, config: Config) -> int:
    return 1


@dataclass(frozen=True)
class Transform:
    """`apply(values, group, config)` for one or more whole groups.

    `group(n, config)`: how many elements of the first axis, of the n that the tensor has, belong
    together; ValueError where n is not a whole number of groups.
    """

    apply: Callable[[Array, int, Config], Array]
    group: Callable[[int, Config], int] = _single

    def shape(self, shape: tuple[int, ...], config: Config) -> tuple[int, ...]:
        """What becomes of a tensor of that shape. Raises as `group` does."""
        group = self.group(shape[0], config)
        # One group that takes no memory, as it is never written.
        one = self.apply(np.zeros((group, *shape[1:]), np.uint8), group, config)
        return (shape[0] // group * one.shape[0], *one.shape[1:])

    def whole(self, values: Array, config: Config) -> Array:
        """All of a tensor at once."""
        return self.apply(values, self.group(values.shape[0], config), config)


def _unchanged(values: Array, group: int, config: Config) -> Array:
    return values


def _plus_one(values: Array, group: int, config: Config) -> Array:
    return np.add(values, 1, dtype=values.dtype)


def _transposed(values: Array, group: int, config: Config) -> Array:
    return values.swapaxes(-1, -2)


def _first_half(values: Array, group: int, config: Config) -> Array:
    return values[..., : values.shape[-2] // 2, :]


def _second_half(values: Array, group: int, config: Config) -> Array:
    return values[..., values.shape[-2] // 2 :, :]


def _interleaved(values: Array, group: int, config: Config) -> Array:
    return interleave_halves(values, values.shape[0] // group)


unchanged = Transform(_unchanged)
plus_one = Transform(_plus_one)
"""Gemma multiplies by 1 + w, GGUF's norms by w."""
transposed = Transform(_transposed)
"""Of each expert: from (in, out) to rows."""
first_half = Transform(_first_half)
"""Of each expert: the gate's rows, where the up projection's follow them."""
second_half = Transform(_second_half)


def heads_from_halves_to_pairs(heads: Callable[[Config], int]) -> Transform:
    """`interleave_halves`, where `heads(config)` is the number of heads."""

    def group(n: int, config: Config) -> int:
        return _head_dim(n, heads(config))

    return Transform(_interleaved, group)


def interleave_halves(rows: Array, n_heads: int) -> Array:
    """Reorders the rows of a q or k projection (weight or bias) from RoPE over halves to pairs.

    Hugging Face rotates row i of a head with row i + head_dim / 2, GGUF's `llama` rotates
    neighbours: within each head, rows 0 1 2 .. become 0 h 1 h+1 .. (h = head_dim / 2).
    """
    head_dim = _head_dim(rows.shape[0], n_heads)
    halves = rows.reshape(n_heads, 2, head_dim // 2, *rows.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(rows.shape)


def _head_dim(n_rows: int, n_heads: int) -> int:
    head_dim, remainder = divmod(n_rows, n_heads)
    if remainder or head_dim % 2:
        raise ValueError(f"{n_rows} rows do not make {n_heads} heads of an even size")
    return head_dim


def _kv_b_group(n: int, config: Config) -> int:
    """Rows of a head of multi-head latent attention's up-projection: keys, then values."""
    n_heads, nope, v = (
        int(config[key]) for key in ("num_attention_heads", "qk_nope_head_dim", "v_head_dim")
    )
    if n != n_heads * (nope + v):
        raise ValueError(f"{n} rows do not make {n_heads} heads of {nope} keys and {v} values")
    return nope + v


def _keys(values: Array, group: int, config: Config) -> Array:
    heads = values.reshape(-1, group, values.shape[1])
    return heads[:, : config["qk_nope_head_dim"]].swapaxes(1, 2)


def _values(values: Array, group: int, config: Config) -> Array:
    return values.reshape(-1, group, values.shape[1])[:, config["qk_nope_head_dim"] :]


keys_of_kv_b = Transform(_keys, _kv_b_group)
"""(head, latent, keys): transposed, because it is absorbed into the query."""
values_of_kv_b = Transform(_values, _kv_b_group)
"""(head, values, latent)."""
