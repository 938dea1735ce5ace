"""What a conversion takes in memory: pieces of a size that fits, or a refusal with the sum."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Final

from pestle import memory as of_machine
from pestle.conversion.partial import HASHING_BYTES
from pestle.conversion.plan import ConversionPlan
from pestle.footprint import refusal
from pestle.footprint.items import PROGRAM
from pestle.tensors.footprint import piece_bytes
from pestle.tensors.plan import PIECE_BYTES
from pestle.tensors.plan_importance import KEPT

_VOCABULARY: Final = 36
"""Bytes that reading a vocabulary takes at its peak, for each byte of its file. Measured: 35 to 36
of those of Qwen3, gpt-oss and DeepSeek V3."""
_TOKENIZER_FILES: Final = ("tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt")
_HEADERS: Final = 4
"""Copies of the new header: planned, with digests, sealed, and on its way to the disk."""
_GROWTH: Final = 24 << 20
"""Bytes that a process which has read a source still adds: libraries, buffers, threads."""
_LEAST_PIECE: Final = 1 << 20


def check_opening(folder: Path, memory: int | None) -> None:
    """MemoryLimitError where `memory` bytes are too few to read a checkpoint's vocabulary."""
    if memory is None:
        return
    there = [folder / name for name in _TOKENIZER_FILES]
    n_bytes = sum(path.stat().st_size for path in there if path.is_file())
    held = max(of_machine.resident(), PROGRAM)
    if held + _VOCABULARY * n_bytes > memory:
        items = {"program": held, "reading the vocabulary": _VOCABULARY * n_bytes}
        raise refusal(str(folder), "", items, memory)


def within(plan: ConversionPlan, memory: int | None) -> ConversionPlan:
    """The plan with pieces so small that the whole process keeps within `memory` bytes.

    Nothing but the time depends on their size. MemoryLimitError: even the smallest do not fit.
    """
    if memory is None:
        return plan
    held = of_machine.resident() + _GROWTH
    headers = _HEADERS * sum(map(len, plan.headers(plan.manifest)))
    piece = PIECE_BYTES
    while True:
        smaller = replace(plan, tensors=plan.tensors.in_pieces(piece))
        items = {
            "program": held,
            "headers": headers,
            "importance": _importance_bytes(plan),
            "pieces of tensors": max(piece_bytes(smaller.tensors), HASHING_BYTES),
        }
        if sum(items.values()) <= memory:
            return smaller
        if piece <= _LEAST_PIECE:
            raise refusal(str(plan.source.path), "", items, memory)
        piece //= 4


def _importance_bytes(plan: ConversionPlan) -> int:
    if plan.importance is None:
        return 0
    sizes = (math.prod(o.shape[:-2]) * o.shape[-1] for o in plan.tensors.outputs)
    return 4 * KEPT * max(sizes, default=0)
