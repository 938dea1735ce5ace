"""Hostile values, and mutations of bytes, text and JSON."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from random import Random
from typing import Any

# Sizes, counts, types and offsets that have broken readers.
NUMBERS = [
    *range(15), 31, 32, 33, 63, 64, 127, 128, 255, 256, 4095, 4096, 65535, 65536, 2**24, 2**24 + 1,
    2**29, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53, 2**60, 2**61, 2**62, 2**63 - 1, 2**63,
    2**64 - 64, 2**64 - 33, 2**64 - 32, 2**64 - 8, 2**64 - 1,
]  # fmt: skip
FLOATS = [
    0.0, -0.0, 1.0, -1.0, 0.5, 1e-5, 1e-45, -1e-38, 1e9, 3.4e38, -3.4e38, 1e308, float("inf"),
    float("-inf"), float("nan"), 2.0**31, 2.0**63, 1 + 2**-23, 255.5,
]  # fmt: skip
TEXTS = [
    "", " ", "a", "\0", "\n", "\r\n", "\t", "\x1b[31m", "\x1b]0;x\x07", "\u202e", "\ufeff",
    "\ufdd0",
    "\ud800", "\U0010ffff", "e\u0301", "\u00e9", "\U0001f469\u200d\U0001f469", "None", "null",
    "true",
    "%s%n", "{}", "{{ x }}", "{% x %}", "../../etc/passwd", "/", "con", "a" * 300, "\u4e2d" * 100,
    "<|im_start|>", "<|im_end|>", "<think>", "</think>", "<tool_call>", "</tool_call>", "```json",
    "<|start|>", "<|channel|>", "<|message|>", "<|call|>", "[TOOL_CALLS]", "<s>", "</s>", "\u2581",
    '{"name": "f", "arguments": {}}', "12345678901234567890123", "1e999", "-0", "NaN",
]  # fmt: skip


def number(rng: Random) -> int:
    """A whole number, most often one that is at some edge."""
    found = rng.choice(NUMBERS) if rng.random() < 0.8 else rng.getrandbits(rng.randrange(1, 65))
    return found if rng.random() < 0.8 else -found


def text(rng: Random) -> str:
    """A short text, most often one that means something to somebody."""
    if rng.random() < 0.8:
        return rng.choice(TEXTS) + (rng.choice(TEXTS) if rng.random() < 0.2 else "")
    return "".join(chr(rng.randrange(0x20, 0x3000)) for _ in range(rng.randrange(12)))


def some_json(rng: Random, depth: int = 3) -> Any:
    """A JSON value of any kind."""
    kind = rng.randrange(9)
    if kind < 6 or depth == 0:
        return rng.choice(
            [None, True, False, number(rng), rng.choice(FLOATS), text(rng), text(rng), [], {}]
        )
    if kind < 7:
        return [some_json(rng, depth - 1) for _ in range(rng.randrange(4))]
    if kind < 8:
        return {text(rng): some_json(rng, depth - 1) for _ in range(rng.randrange(4))}
    return {"$nested": rng.choice([30, 300, 5000, 100_000])} if rng.random() < 0.2 else nested(30)


def nested(depth: int) -> Any:
    """A value within lists and objects, `depth` deep."""
    found: Any = None
    for level in range(depth):
        found = [found] if level % 2 else {"items": found}
    return found


def expanded(value: Any) -> Any:
    """With {"$nested": N} replaced by what JSON cannot write: a value N levels deep."""
    if isinstance(value, dict):
        depth = value.get("$nested")
        if isinstance(depth, int) and 0 <= depth <= 1_000_000:
            return nested(depth)
        return {key: expanded(item) for key, item in value.items()}
    return [expanded(item) for item in value] if isinstance(value, list) else value


def mutated_json(value: Any, rng: Random, rate: float = 0.0) -> Any:
    """A copy in which something is of another kind, missing, doubled or out of range."""
    if not isinstance(value, (dict, list)) or not value:
        return some_json(rng)
    changed = _copy(value)
    for _ in range(1 if rng.random() > rate else rng.randrange(1, 5)):
        _change(changed, rng)
    return changed


def mutated_bytes(raw: bytearray, rng: Random, at: int | None = None) -> None:
    """Overwrite, flip, cut out or double some bytes at `at`, or anywhere."""
    if at is None:
        at = rng.randrange(len(raw) + 1)
    kind = rng.randrange(10)
    if kind < 4:
        code = rng.choice("BIIQQQ")
        packed = struct.pack("<" + code, rng.choice(NUMBERS) & (256 ** struct.calcsize(code) - 1))
        raw[at : at + len(packed)] = packed
    elif kind < 7:
        if at < len(raw):
            raw[at] = raw[at] ^ 1 << rng.randrange(8) if kind < 6 else rng.randrange(256)
    elif kind < 8:
        del raw[at : at + rng.choice([1, 4, 8, 32, 200])]
    elif kind < 9:
        start = rng.randrange(len(raw) + 1)
        raw[at:at] = raw[start : start + rng.choice([1, 4, 8, 40, 300])]
    else:
        del raw[at:]


def mutated_text(source: str, rng: Random, words: Sequence[str]) -> str:
    """Pieces taken out, doubled, moved, or replaced by one of `words`."""
    for _ in range(rng.choice([1, 1, 2, 4])):
        a, b = sorted(rng.randrange(len(source) + 1) for _ in range(2))
        b = min(b, a + rng.choice([0, 1, 3, 20]))
        new = rng.choice(["", source[a:b] * 2, rng.choice(words), text(rng), rng.choice(words)])
        source = source[:a] + new + source[b:]
    return source


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _change(parent: Any, rng: Random) -> None:
    """Go down as far as chance wants, and change what is there."""
    while True:
        if not parent:
            return
        key = rng.choice(list(parent)) if isinstance(parent, dict) else rng.randrange(len(parent))
        old = parent[key]
        if not isinstance(old, (dict, list)) or not old or rng.random() < 0.25:
            break
        parent = old
    kind = rng.randrange(8)
    if kind == 0:
        del parent[key]
    elif kind == 1 and isinstance(parent, list):
        parent.insert(key, old)
    elif kind == 1:
        parent[text(rng)] = old
    elif kind < 5 and isinstance(old, (int, float)) and not isinstance(old, bool):
        choices = [number(rng), -old, old + 1, old - 1, old * 2, rng.choice(FLOATS), str(old)]
        parent[key] = rng.choice(choices)
    elif kind < 5 and isinstance(old, str):
        parent[key] = rng.choice([text(rng), old + text(rng), old[:-1], [old], old.upper()])
    else:
        parent[key] = some_json(rng)
