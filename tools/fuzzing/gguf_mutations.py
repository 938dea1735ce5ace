"""One thing wrong with a GGUF file: a key's value or kind, a tensor's shape, type or bytes."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

from fuzzing import chance, tiny_models
from fuzzing.gguf_bytes import ARRAY, BOOL, F32, F64, I32, I64, STRING, U8, U32, U64
from fuzzing.gguf_document import Document, Entry, TensorData

_KINDS = (U8, I32, U32, F32, BOOL, STRING, ARRAY, U64, I64, F64)
# What values of keys that hold text may be, besides anything.
_WORDS = (
    "llama", "qwen2", "qwen3", "qwen3moe", "gpt-oss", "deepseek2", "gemma3", "bert", "none",
    "linear",
    "yarn", "longrope", "llama3", "gpt2", "default", "llama-bpe", "deepseek-v3", "gpt-4o", "tekken",
)  # fmt: skip
# Keys that some files have; for any architecture.
_MORE = (
    "rope.scaling.type", "rope.scaling.factor", "rope.scaling.original_context_length",
    "rope.scaling.attn_factor", "rope.scaling.yarn_log_multiplier", "rope.dimension_count",
    "rope.freq_base", "rope.freq_base_swa", "rope.scale_linear", "attention.sliding_window",
    "attention.sliding_window_pattern", "attention.scale", "attention.key_length",
    "attention.value_length", "attention.key_length_mla", "attention.value_length_mla",
    "attention.kv_lora_rank", "attention.q_lora_rank", "attention.causal",
    "attention.layer_norm_rms_epsilon", "attention.head_count", "attention.head_count_kv",
    "expert_count", "expert_used_count", "expert_shared_count", "expert_group_count",
    "expert_group_used_count", "expert_weights_scale", "expert_weights_norm", "expert_gating_func",
    "expert_feed_forward_length", "leading_dense_block_count", "feed_forward_length", "vocab_size",
    "context_length", "embedding_length", "block_count", "final_logit_softcapping",
    "attn_logit_softcapping", "attention.max_alibi_bias", "attention.clamp_kqv", "pooling_type",
)  # fmt: skip
_GENERAL = (
    "general.alignment", "general.type", "general.sampling.temp", "general.sampling.top_k",
    "general.sampling.top_p", "general.sampling.min_p", "general.sampling.penalty_repeat",
    "general.sampling.penalty_last_n", "split.count", "split.no", "split.tensors.count",
    "pestle.certificate", "pestle.headers.sha256", "tokenizer.ggml.suppress_tokens",
    "tokenizer.huggingface.json", "tokenizer.chat_templates", "tokenizer.ggml.scores",
    "tokenizer.ggml.add_eos_token", "tokenizer.ggml.eot_token_id",
    "tokenizer.chat_template.tool_use",
)  # fmt: skip
_BITS = (
    0, 0x7F800000, 0xFF800000, 0x7FC00000, 0x7F7FFFFF, 0x00000001, 0x80000000, 0x7C007C00,
    0xFFFFFFFF,
    0x7BFF7BFF, 0x00010001, 0x3C003C00,
)  # fmt: skip


def mutate(document: Document, rng: Random) -> None:
    """Make one thing wrong."""
    if not document.parts or rng.random() < 0.55:
        rng.choice(_OF_ENTRIES)(document, rng)
    else:
        rng.choice(_OF_PARTS)(document, rng)


def _entry(document: Document, rng: Random) -> int:
    """The place of an entry: of the architecture's more often than of others."""
    prefix = f"{document.extra.get('architecture', 'general')}."
    own = [
        at
        for at, entry in enumerate(document.entries)
        if isinstance(entry.key, str) and entry.key.startswith(prefix)
    ]
    if own and rng.random() < 0.7:
        return rng.choice(own)
    return rng.randrange(len(document.entries)) if document.entries else -1


def _another_value(document: Document, rng: Random) -> None:
    at = _entry(document, rng)
    if at < 0:
        return
    entry = document.entries[at]
    if entry.kind == ARRAY:
        document.entries[at] = entry.changed(value=_another_array(entry, rng))
    else:
        document.entries[at] = entry.changed(value=_another(entry.kind, entry.value, rng))


def _another(kind: int, value: object, rng: Random) -> object:
    if kind == STRING:
        return rng.choice([rng.choice(_WORDS), chance.text(rng), b"\xff\xfe\x80", str(value)[:-1]])
    if kind in (F32, F64):
        near = float(value) if isinstance(value, (int, float)) else 1.0
        return rng.choice([*chance.FLOATS, -near, near * 2, near / 2, near * 1e6])
    if not isinstance(value, int):
        return chance.number(rng)
    return rng.choice(
        [value + 1, value - 1, value * 2, value // 2, -value, 0, 1, value + 32, chance.number(rng)]
    )


def _another_array(entry: Entry, rng: Random) -> list[object]:
    items = list(entry.value)
    kind = rng.randrange(6)
    if kind == 0:
        return items[: rng.randrange(len(items) + 1)]
    if kind == 1:
        return items + items[: rng.randrange(len(items) + 1)]
    if kind == 2 or not items:
        return []
    for _ in range(rng.choice([1, 1, 3])):
        at = rng.randrange(len(items))
        items[at] = _another(STRING if entry.element is None else entry.element, items[at], rng)
    if kind == 3:
        rng.shuffle(items)
    return items


def _another_kind(document: Document, rng: Random) -> None:
    at = _entry(document, rng)
    if at < 0:
        return
    entry = document.entries[at]
    kind = rng.choice(_KINDS)
    if kind == ARRAY:
        value = entry.value if isinstance(entry.value, list) else [entry.value] * rng.randrange(4)
        document.entries[at] = entry.changed(
            kind=kind, value=value, element=rng.choice([k for k in _KINDS if k != ARRAY])
        )
    else:
        value = entry.value[0] if isinstance(entry.value, list) and entry.value else entry.value
        document.entries[at] = entry.changed(kind=kind, value=value)


def _without(document: Document, rng: Random) -> None:
    at = _entry(document, rng)
    if at >= 0:
        del document.entries[at]


def _doubled(document: Document, rng: Random) -> None:
    at = _entry(document, rng)
    if at >= 0:
        document.entries.insert(rng.randrange(len(document.entries)), document.entries[at])


def _renamed(document: Document, rng: Random) -> None:
    at = _entry(document, rng)
    if at >= 0:
        key = rng.choice([_key(document, rng), chance.text(rng), b"\xff", "a" * 70])
        document.entries[at] = document.entries[at].changed(key=key)


def _one_more(document: Document, rng: Random) -> None:
    kind = rng.choice([U32, U32, F32, F32, STRING, BOOL, I32, ARRAY])
    key = _key(document, rng)
    document.entries = [entry for entry in document.entries if entry.key != key]
    if kind == ARRAY:
        element = rng.choice([I32, F32, STRING, BOOL, U32])
        n = rng.choice([0, 1, 2, 3, 304])
        value = [_another(element, 2, rng) for _ in range(n)]
        document.entries.append(Entry(key, kind, value, element))
    else:
        near = rng.choice([0, 1, 2, 4, 8, 16, 32, 64])
        document.entries.append(Entry(key, kind, _another(kind, near, rng)))


def _key(document: Document, rng: Random) -> str:
    if rng.random() < 0.25:
        return rng.choice(_GENERAL)
    return f"{document.extra.get('architecture', 'llama')}.{rng.choice(_MORE)}"


def _of_another(document: Document, rng: Random) -> None:
    """A value as another model has it."""
    other = tiny_models.model(rng.choice(tiny_models.ARCHITECTURES), "F32")
    found = rng.choice(other.entries)
    key = found.key
    prefix = f"{other.extra['architecture']}."
    if isinstance(key, str) and key.startswith(prefix):
        key = f"{document.extra.get('architecture', 'llama')}.{key.removeprefix(prefix)}"
    kept = [entry for entry in document.entries if entry.key != key]
    document.entries = [*kept, found.changed(key=key)]


def _wrong_counts(document: Document, rng: Random) -> None:
    numbers = [rng.choice([None, chance.number(rng) & (2**64 - 1)]) for _ in range(2)]
    document.counts = (numbers[0], numbers[1])
    document.version = rng.choice([3, 3, 2, 1, 0, 4, 2**32 - 1])


_OF_ENTRIES: tuple[Callable[[Document, Random], None], ...] = (
    _another_value, _another_value, _another_value, _another_value, _another_value, _another_kind,
    _another_kind, _without, _doubled, _renamed, _one_more, _one_more, _one_more, _of_another,
    _wrong_counts,
)  # fmt: skip


def _numbers(document: Document, rng: Random) -> None:
    """Bytes of a tensor that mean something: NaN, infinities, the largest and smallest."""
    for _ in range(rng.choice([1, 1, 2, 8])):
        at = rng.randrange(len(document.parts))
        part = document.parts[at]
        raw = bytearray(part.data)
        if rng.random() < 0.25:
            raw[:] = struct.pack("<I", rng.choice(_BITS)) * (len(raw) // 4)
            raw += bytes(len(part.data) - len(raw))
        else:
            for _ in range(rng.choice([1, 3, 30])):
                place = rng.randrange(max(1, len(raw) - 3))
                place -= place % rng.choice([1, 2, 4])
                raw[place : place + 4] = struct.pack("<I", rng.choice(_BITS))[: len(raw) - place]
        document.parts[at] = _with(part, data=bytes(raw))


def _noise(document: Document, rng: Random) -> None:
    at = rng.randrange(len(document.parts))
    part = document.parts[at]
    start = rng.randrange(len(part.data) + 1)
    length = min(len(part.data) - start, rng.choice([1, 16, 256, 1 << 20]))
    noisy = part.data[:start] + rng.randbytes(length) + part.data[start + length :]
    document.parts[at] = _with(part, data=noisy)


def _scaled(document: Document, rng: Random) -> None:
    """Floats of another size; of blocks, their bytes as they are."""
    at = rng.randrange(len(document.parts))
    part = document.parts[at]
    if part.kind == 0:
        n = len(part.data) // 4
        scale = rng.choice([0.0, 1e-30, 1e10, 1e30, 3e38, -1.0, 1e-45])
        values = [value * scale for value in struct.unpack(f"<{n}f", part.data[: 4 * n])]
        kept = [math.copysign(3.4e38, value) if abs(value) > 3.4e38 else value for value in values]
        document.parts[at] = _with(part, data=struct.pack(f"<{n}f", *kept))


def _another_type(document: Document, rng: Random) -> None:
    at = rng.randrange(len(document.parts))
    kind = rng.choice([*tiny_models.TYPE_IDS, rng.randrange(45), chance.number(rng) & 0xFFFFFFFF])
    document.parts[at] = _with(document.parts[at], kind=kind)


def _another_shape(document: Document, rng: Random) -> None:
    at = rng.randrange(len(document.parts))
    part = document.parts[at]
    dims = list(part.dims)
    kind = rng.randrange(6)
    if kind == 0:
        dims.reverse()
    elif kind == 1:
        dims.append(rng.choice([1, 1, 2, 0]))
    elif kind == 2 and len(dims) > 1:
        dims[-2:] = [dims[-1] * dims[-2]]
    elif dims:
        axis = rng.randrange(len(dims))
        old = dims[axis]
        new = rng.choice([old + 1, old - 1, old * 2, old // 2, 0, 1, chance.number(rng)])
        dims[axis] = new & (2**64 - 1)
    data = part.data
    size = math.prod(dims) * 4
    if part.kind == 0 and size < 1 << 20 and rng.random() < 0.7:  # the bytes that it asks for
        data = (data + bytes(size))[:size]
    document.parts[at] = _with(part, dims=tuple(dims), data=data)


def _another_place(document: Document, rng: Random) -> None:
    at = rng.randrange(len(document.parts))
    offset = rng.choice([0, 32, 64, 1 << 12, chance.number(rng) & (2**64 - 1)])
    document.parts[at] = _with(document.parts[at], offset=offset)


def _part_without(document: Document, rng: Random) -> None:
    del document.parts[rng.randrange(len(document.parts))]


def _part_renamed(document: Document, rng: Random) -> None:
    at = rng.randrange(len(document.parts))
    name = str(document.parts[at].name)
    other = tiny_models.model(rng.choice(tiny_models.ARCHITECTURES), "F32")
    new = [
        rng.choice(other.parts).name,
        chance.text(rng),
        name.replace("0", "1"),
        name + "x",
        b"\xff",
    ]
    document.parts[at] = _with(document.parts[at], name=rng.choice(new))


def _part_of_another(document: Document, rng: Random) -> None:
    other = tiny_models.model(rng.choice(tiny_models.ARCHITECTURES), "F32")
    found = rng.choice(other.parts)
    document.parts = [part for part in document.parts if part.name != found.name]
    document.parts.insert(rng.randrange(len(document.parts) + 1), found)


def _shuffled(document: Document, rng: Random) -> None:
    rng.shuffle(document.parts)


def _with(part: TensorData, **parts: Any) -> TensorData:
    return replace(part, **parts)


_OF_PARTS: tuple[Callable[[Document, Random], None], ...] = (
    _numbers, _numbers, _numbers, _numbers, _noise, _noise, _scaled, _another_type, _another_shape,
    _another_shape, _another_place, _part_without, _part_renamed, _part_of_another, _shuffled,
)  # fmt: skip
