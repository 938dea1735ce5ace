"""How fast a model will be, computed from its header and what the machine was measured to do.

A decoded token takes the sum of its products, of its attention and of what a layer costs besides;
a token of a prompt the same of a pass of many rows, in which each product serves all of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pestle.planning import tiny_decoder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pestle._core import AttentionWork, TokenWork
    from pestle.options import EngineOptions
    from pestle.planning.probes import Probes

_OF_DRAM: Final = 0.6
"""The share of the DRAM's bandwidth from which on it is said to bind: kernels that compute as fast
as they read reach some 70 % of what the probe reads."""
_PASS: Final = 512
"""Rows of the passes whose parts beside products are measured."""


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
    weight_bytes = sum(p.per_token * p.bytes for p in work.products)
    expert_bytes = sum(p.per_token * p.bytes for p in work.products if p.per_token < p.count)
    return TokenCost(
        products=sum(p.per_token * probes.product(p, 1, weight_bytes) for p in work.products),
        attention=_attention(work.attention, options, probes, depth, rows=1),
        layers=work.n_layers * probes.layer(1),
        weight_bytes=weight_bytes,
        expert_bytes=expert_bytes,
    )


def prefill_seconds(
    work: TokenWork, options: EngineOptions, probes: Probes, n_tokens: int
) -> float:
    """Seconds from a prompt of so many tokens to the logits of what follows it."""
    weights = sum(p.count * p.bytes for p in work.products)
    body, head = work.products[:-1], work.products[-1]
    values = sum(p.per_token * p.rows for p in body)
    seconds, at = 0.0, 0
    while at < n_tokens:
        rows = min(options.chunk, n_tokens - at)
        for product in body:
            met = rows * product.per_token / product.count  # by each of its matrices
            each = probes.product(product, max(1.0, met), weights)
            seconds += product.count * min(1.0, met) * each
        seconds += _attention(work.attention, options, probes, at + rows // 2, rows=rows)
        seconds += probes.layer(_PASS) * rows / _PASS * values / tiny_decoder.WIDTH
        at += rows
    return seconds + probes.product(head, 1, weights)


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
    measured = 1 if rows == 1 else _PASS
    seconds = 0.0
    for layer in layers:
        seen = min(depth, layer.window) if layer.window else depth
        if seen > 0:
            each = probes.attention(layer, options.kv_type, measured)
            seconds += each * seen * rows / measured
    return seconds
