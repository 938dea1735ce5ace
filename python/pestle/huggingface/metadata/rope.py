"""Rotary positions: the base, and how a longer context is reached."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Context, Decimal, localcontext
from typing import Any

import numpy as np
import numpy.typing as npt

from pestle.errors import UnsupportedError
from pestle.huggingface.config import SLIDING, ModelConfig, is_float32

_WIDEST_HEAD = 4096  # as in the core
_PI = Decimal("3.141592653589793238462643383279502884197")
_KINDS = ("default", "linear", "yarn", "llama3")


def rope_keys(config: ModelConfig) -> dict[str, Any]:
    """GGUF's keys; UnsupportedError for a scaling that these cannot express."""
    rope = config.rope()
    kind = rope["rope_type"]
    if kind not in _KINDS:
        raise UnsupportedError(
            f"{config.path}: rope type {kind!r:.40} is not known, expected {', '.join(_KINDS)}"
        )
    if config.rope(SLIDING)["rope_type"] != "default" and config.rope(SLIDING) != rope:
        raise UnsupportedError(f"{config.path}: layers with a window scale their positions")
    if rope.get("partial_rotary_factor") not in (None, 1, 1.0):
        raise UnsupportedError(f"{config.path}: only a part of each head turns")
    keys: dict[str, Any] = {"rope.freq_base": _number(config, rope, "rope_theta")}
    if kind in ("default", "llama3"):
        return keys  # llama3 has its divisors in a tensor
    keys["rope.scaling.type"] = kind
    keys["rope.scaling.factor"] = _number(config, rope, "factor")
    if kind == "yarn":
        keys |= _yarn(config, rope)
    return keys


def _yarn(config: ModelConfig, rope: Mapping[str, Any]) -> dict[str, Any]:
    # gpt-oss, and only that, does not round the range in which frequencies are blended.
    if bool(rope.get("truncate", True)) != (config.model_type != "gpt_oss"):
        raise UnsupportedError(f"{config.path}: yarn's `truncate` is not that of the architecture")
    factor = _number(config, rope, "factor")
    magnitude = 0.1 * math.log(factor) + 1 if factor > 1 else 1.0
    stated = _optional(config, rope, "attention_factor")
    if stated is not None and not math.isclose(stated, magnitude, rel_tol=1e-5):
        raise UnsupportedError(
            f"{config.path}: yarn's attention_factor is {stated}, not {magnitude}"
        )
    original = _optional(config, rope, "original_max_position_embeddings")
    if original is None:
        original = config.whole("max_position_embeddings")
    if not 1 <= original < 2**31:
        raise config.error("rope_parameters", "a positive original_max_position_embeddings")
    keys: dict[str, Any] = {"rope.scaling.original_context_length": int(original)}
    for beta in ("beta_fast", "beta_slow"):
        if (value := _optional(config, rope, beta)) is not None:
            keys[f"rope.scaling.yarn_{beta}"] = value
    return keys


def rope_divisors(config: ModelConfig) -> npt.NDArray[np.float32] | None:
    """Llama 3's `rope_freqs.weight` [head_dim / 2]: what each frequency is divided by.

    Long waves are stretched by the factor, short ones are not, and between two wavelengths the
    reciprocals are blended (Llama 3.1's reference implementation, `apply_scaling`).
    """
    rope = config.rope()
    if rope["rope_type"] != "llama3":
        return None
    factor, low, high, original = (
        _number(config, rope, key)
        for key in (
            "factor",
            "low_freq_factor",
            "high_freq_factor",
            "original_max_position_embeddings",
        )
    )
    theta, head_dim = _number(config, rope, "rope_theta"), config.positive("head_dim")
    if head_dim > _WIDEST_HEAD:
        raise config.error("head_dim", f"at most {_WIDEST_HEAD}")
    if min(theta, factor, low, high - low, original) <= 0:
        raise config.error("rope_parameters", "positive numbers, and low below high_freq_factor")
    divisors = [
        _divisor(_wave(theta, n, head_dim), factor, original / low, original / high)
        for n in range(0, head_dim, 2)
    ]
    return np.array(divisors, np.float32)


def _wave(theta: float, n: int, head_dim: int) -> float:
    """The wavelength of channel n, in decimal numbers: libm's powers differ between machines."""
    with localcontext(Context(prec=40)):
        return float(2 * _PI * Decimal(theta) ** (Decimal(n) / head_dim))


def _divisor(wave: float, factor: float, longest: float, shortest: float) -> float:
    """Between the two lengths, the reciprocals of 1 and of the factor are blended."""
    blend = (longest / wave - 1) / (longest / shortest - 1)
    blend = min(max(blend, 0.0), 1.0)
    return 1 / ((1 - blend) / factor + blend)


def _number(config: ModelConfig, rope: Mapping[str, Any], key: str) -> float:
    found = _optional(config, rope, key)
    if found is None:
        raise config.error("rope_parameters", f"a number for `{key}`")
    return found


def _optional(config: ModelConfig, rope: Mapping[str, Any], key: str) -> float | None:
    found: Any = rope.get(key)
    if found is not None and not is_float32(found):
        raise config.error("rope_parameters", f"a number for `{key}`")
    return None if found is None else float(found)
