"""What types typically cost a model that is not measured, by the kind of each tensor."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from pestle.quantization.budget.choice import Candidate, TensorCandidates
from pestle.quantization.budget.distortion import ErrorWeights, distortions, fitting
from pestle.quantization.budget.sensitivity import Sensitivities

_TYPICAL: Final = {
    "output": 0.13, "token_embd": 0.07,
    "attn_q": 0.010, "attn_k": 0.008, "attn_v": 0.011, "attn_output": 0.012,
    "attn_q_a": 0.015, "attn_q_b": 0.030, "attn_kv_a_mqa": 0.025, "attn_k_b": 0.012,
    "attn_v_b": 0.030, "attn_kv_b": 0.030,
    "ffn_gate": 0.015, "ffn_up": 0.012, "ffn_down": 0.016,
    "ffn_gate_exps": 0.011, "ffn_up_exps": 0.009, "ffn_down_exps": 0.013,
}  # fmt: skip
"""Nats for a relative squared error of 1, in about the middle of what small trained models of
qwen3moe, gpt-oss and deepseek2 showed when they were measured (2026). Only ratios matter."""
_OTHERS: Final = 0.012


def typical_sensitivity(name: str) -> float:
    """Divergence, in nats, for a relative squared error of 1 in the tensor `name`.

    A shared expert counts as a layer's only one does.
    """
    kind = re.sub(r"^blk\.\d+\.|(_shexp)?\.weight$", "", name)
    return _TYPICAL.get(kind, _OTHERS)


def assume(shapes: Mapping[str, Sequence[int]]) -> Sensitivities:
    """What types cost tensors of these shapes (as in numpy), without knowing the model.

    The kind of a tensor gives its sensitivity, and the relative squared error of a type is
    that on normally distributed numbers. Measuring is better.
    """
    bits = np.random.Philox(1).random_raw(1 << 16).astype("<u8").view("<u2")
    # Nearly normal, and the same on every machine: the sums of four uniform numbers.
    random = (bits.reshape(1, 256, 256, 4).sum(axis=-1) / 65536 - 2).astype(np.float32)
    of_type = {
        d.type: d.error / float(np.square(random).sum(dtype=np.float64))
        for d in distortions(random, ErrorWeights(None, np.ones((1, 256))))
    }
    tensors = []
    for name, shape in shapes.items():
        rows = int(np.prod(shape[:-1]))
        candidates = [
            Candidate(kind, nbytes * rows, typical_sensitivity(name) * of_type[kind])
            for kind, nbytes in fitting(shape[-1]).items()
        ]
        tensors.append(TensorCandidates(name, tuple(candidates)))
    digest = hashlib.sha256(repr(tensors).encode()).hexdigest()
    return Sensitivities(tuple(tensors), (), 0, digest)
