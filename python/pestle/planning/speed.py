"""How fast a model will be, computed from its header and what the machine was measured to do.

A decoded token takes the sum of its products, of its attention and of what a layer costs besides;
a token of a prompt the same of a pass of many rows, in which each product serves all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pestle._core import AttentionWork, TokenWork
    from pestle.options import EngineOptions
    from pestle.planning.probes import Probes

_OF_DRAM: Final = 0.6
"""The share of the DRAM's bandwidth from which on it is said to bind: kernels that compute as fast
as they read reach some 70 % of what the probe reads."""


@dataclass(frozen=True)
class TokenCost:
    """Seconds of a decoded token, and the weights that it reads."""

    products: float
    attention: float
    layers: float
    weight_bytes: int
    expert_bytes: int  # of these, of experts that are chosen

    @property
    def seconds(self) -> float:
        """All of it."""
        return self.products + self.attention + self.layers


def decoding(work: TokenWork, options: EngineOptions, probes: Probes, depth: int) -> TokenCost:
    """What a token costs that is written after `depth` others."""
    products = 0.0
    weight_bytes = expert_bytes = 0
    for product in work.products:
        products += product.per_token * probes.product(product, 1)
        weight_bytes += product.per_token * product.bytes
        if product.per_token < product.count:
            expert_bytes += product.per_token * product.bytes
    attention = _attention(work.attention, options, probes, depth, rows=1)
    return TokenCost(
        products, attention, work.n_layers * probes.layer(), weight_bytes, expert_bytes
    )


def prefill_seconds(
    work: TokenWork, options: EngineOptions, probes: Probes, n_tokens: int
) -> float:
    """Seconds from a prompt of so many tokens to the logits of what follows it."""
    seconds, at = 0.0, 0
    while at < n_tokens:
        rows = min(options.chunk, n_tokens - at)
        for product in work.products:
            if product.head:
                continue
            met = rows * product.per_token / product.count  # by each of its matrices
            share = min(1.0, met)
            seconds += product.count * share * probes.product(product, max(1.0, met))
        seconds += _attention(work.attention, options, probes, at + rows // 2, rows=rows)
        at += rows
    return seconds + probes.product(work.products[-1], 1)


def binds(cost: TokenCost, probes: Probes) -> str:
    """What a token waits for: "memory bandwidth", or "arithmetic"."""
    reading = cost.weight_bytes / probes.bandwidth()
    return "memory bandwidth" if reading >= _OF_DRAM * cost.seconds else "arithmetic"


def _attention(
    layers: Iterable[AttentionWork],
    options: EngineOptions,
    probes: Probes,
    depth: int,
    *,
    rows: int,
) -> float:
    """Seconds of all layers' attention of `rows` tokens around the position `depth`."""
    measured = 1 if rows == 1 else 512
    seconds = 0.0
    for layer in layers:
        seen = min(depth, layer.window) if layer.window else depth
        if seen > 0:
            each = probes.attention(layer, options.kv_type, measured)
            seconds += each * seen * rows / measured
    return seconds
