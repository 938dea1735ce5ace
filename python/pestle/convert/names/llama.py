"""`llama`: Llama 1 to 3, SmolLM2, Mistral."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

from pestle.convert.names.base import NameMap

LLAMA: Final = NameMap("llama", "llama", rotated=frozenset({"attn_q", "attn_k"}))

Scalar = TypeVar("Scalar", bound=np.generic)


def interleave_halves(rows: npt.NDArray[Scalar], n_heads: int) -> npt.NDArray[Scalar]:
    """Reorders the rows of a q or k projection (weight or bias) from RoPE over halves to pairs.

    Hugging Face rotates row i of a head with row i + head_dim / 2, GGUF's `llama` rotates
    neighbours: within each head, rows 0 1 2 .. become 0 h 1 h+1 .. (h = head_dim / 2).
    """
    head_dim, remainder = divmod(rows.shape[0], n_heads)
    if remainder or head_dim % 2:
        raise ValueError(f"{rows.shape[0]} rows do not make {n_heads} heads of an even size")
    halves: npt.NDArray[Any] = rows.reshape(n_heads, 2, head_dim // 2, *rows.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(rows.shape)
