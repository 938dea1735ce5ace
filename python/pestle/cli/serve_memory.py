"""How the models of `pestle serve` share the memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pestle.cli.serve_models import Offer

LEAST_KV: Final = 128 << 20
"""Bytes: a server with less could answer nobody."""


@dataclass(frozen=True)
class Given:
    """What the command line says of memory and of how many share it; None: nothing."""

    kv_memory: int | None
    prefix_cache: int | None
    parallel: int = 0  # answers at once; 0: as many as fit


def with_memory(offers: Sequence[Offer], given: Given, free: int) -> list[Offer]:
    """The offers with memory for keys and values of each model.

    Together they get half of what the weights leave, so that the rest of the machine lives on; but
    a text as long as the context has to fit where it can. Of --memory they get everything.
    """
    if not offers:
        return []
    limit = offers[0].options.engine.memory
    if limit is not None:
        return _within(offers, given, limit)
    weights = [offer.file.file_bytes for offer in offers]
    # Where not all fit, they take turns.
    left = max(free - (sum(weights) if sum(weights) < free else max(weights)), 0)
    found = []
    for offer in offers:
        share = max(left // 2 // len(offers), min(offer.whole_text, left * 4 // 5))
        kv_memory = given.kv_memory or max(share, LEAST_KV, given.prefix_cache or 0)
        kept = kv_memory if given.prefix_cache is None else given.prefix_cache
        engine = replace(offer.options.engine, kv_memory=kv_memory, prefix_cache=kept)
        found.append(replace(offer, options=replace(offer.options, engine=engine)))
    return found


def _within(offers: Sequence[Offer], given: Given, limit: int) -> list[Offer]:
    """The offers within --memory: all at once if they fit, each with the same part of what is left.

    Else they take turns, each with all of it.
    """
    engine = offers[0].options.engine
    # What the weights leave, which loading finds out: as much as it gives, for both.
    kept = limit if given.prefix_cache is None else given.prefix_cache
    engine = replace(engine, kv_memory=given.kv_memory or 0, prefix_cache=kept)
    found = [replace(offer, options=replace(offer.options, engine=engine)) for offer in offers]
    if len(found) == 1:
        return found
    from pestle import _core
    from pestle.footprint import fit, held_by_others

    needed = [fit(_core.GgufFile(offer.path), engine, limit).needed for offer in offers]
    left = (limit - held_by_others() - sum(needed)) // len(offers)
    if left < 0:
        return found
    return [replace(offer, share=n + left) for offer, n in zip(found, needed, strict=True)]
