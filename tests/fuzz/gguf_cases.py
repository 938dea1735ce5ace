"""Hostile GGUF files: valid ones, mutated. Case i is always the same bytes."""

from __future__ import annotations

import random
import struct
from functools import cache

from tests.fuzz.gguf_bytes import (
    BOOL,
    F32,
    F64,
    I8,
    I32,
    I64,
    STRING,
    U8,
    U16,
    U32,
    U64,
    Tensor,
    array,
    entry,
    gguf,
)

# Sizes, counts, types and offsets that have broken readers of this format.
NUMBERS = [
    *range(15), 31, 32, 33, 63, 64, 127, 128, 255, 256, 4095, 4096, 65535, 65536, 2**24, 2**24 + 1,
    2**29, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**53, 2**60, 2**61, 2**62, 2**63 - 1, 2**63,
    2**64 - 64, 2**64 - 33, 2**64 - 32, 2**64 - 8, 2**64 - 1,
]  # fmt: skip


@cache
def seeds() -> list[bytes]:
    """Valid files that together have every kind of value, and tensors of several types."""
    model = [
        entry("general.architecture", STRING, "llama"),
        entry("general.name", STRING, "Größe"),
        entry("general.file_type", U32, 2),
        entry("general.quantization_version", U32, 2),
        entry("llama.block_count", U32, 2),
        entry("llama.embedding_length", U64, 64),
        entry("llama.context_length", U16, 4096),
        entry("llama.attention.head_count", U8, 4),
        array("llama.attention.head_count_kv", I32, [2, 4]),
        entry("llama.attention.layer_norm_rms_epsilon", F32, 1e-5),
        entry("llama.rope.freq_base", F64, 10000.0),
    ]
    tokenizer = [
        entry("tokenizer.ggml.model", STRING, "llama"),
        entry("tokenizer.ggml.pre", STRING, "default"),
        array("tokenizer.ggml.tokens", STRING, ["<unk>", "<s>", "</s>", "▁a", "b", b"\xe2\x96"]),
        array("tokenizer.ggml.scores", F32, [0, 0, 0, -1, -2, -3]),
        array("tokenizer.ggml.token_type", I32, [2, 3, 3, 1, 1, 6]),
        array("tokenizer.ggml.merges", STRING, ["▁ a", "a b"]),
        entry("tokenizer.ggml.bos_token_id", U32, 1),
        entry("tokenizer.ggml.eos_token_id", I64, 2),
        entry("tokenizer.ggml.add_bos_token", BOOL, True),
        array("tokenizer.ggml.suppress_tokens", I8, [3]),
        entry("tokenizer.chat_template", STRING, "{% for m in messages %}{{ m }}{% endfor %}"),
    ]
    tensors = [
        Tensor("token_embd.weight", (64, 6), 2, 0),  # 216 bytes
        Tensor("blk.0.attn_q.weight", (64, 2), 8, 256),  # 136
        Tensor("blk.0.ffn_up_exps.weight", (256, 1, 2), 12, 512),  # 288
        Tensor("output_norm.weight", (7,), 0, 800),  # 28
    ]
    data = random.Random(0).randbytes(828)
    odd = [entry("general.alignment", U32, 8), array("a", BOOL, [True, False]), array("b", U64, [])]
    return [
        gguf([*model, *tokenizer], tensors, data),
        gguf(model[:1] + tokenizer, version=2),
        gguf(
            [*model, *odd], [Tensor("a", (3,)), Tensor("b", (1,), 28, 16)], bytes(24), alignment=8
        ),
    ]


def _fields(raw: bytes) -> list[int]:
    """Where a small little-endian number probably stands."""
    return [i for i in range(len(raw) - 8) if raw[i] and not any(raw[i + 1 : i + 4])]


@cache
def _fields_of(seed: int) -> list[int]:
    return _fields(seeds()[seed])


def _mutate(raw: bytearray, fields: list[int], rng: random.Random) -> None:
    at = rng.choice(fields) if rng.random() < 0.6 else rng.randrange(len(raw) + 1)
    kind = rng.randrange(10)
    if kind < 4:
        code = rng.choice("BIIQQQ")
        number = rng.choice(NUMBERS) & (256 ** struct.calcsize(code) - 1)
        packed = struct.pack("<" + code, number)
        raw[at : at + len(packed)] = packed
    elif kind < 6:
        if at < len(raw):
            raw[at] ^= 1 << rng.randrange(8)
    elif kind < 7:
        if at < len(raw):
            raw[at] = rng.randrange(256)
    elif kind < 8:
        del raw[at : at + rng.choice([1, 4, 8, 32, 200])]
    elif kind < 9:
        start = rng.randrange(len(raw) + 1)
        raw[at:at] = raw[start : start + rng.choice([1, 4, 8, 40, 300])]
    else:
        del raw[at:]


def case(index: int) -> bytes:
    """A seed with one to six mutations."""
    rng = random.Random(index)
    seed = rng.randrange(len(seeds()))
    raw = bytearray(seeds()[seed])
    for _ in range(rng.choice([1, 1, 1, 2, 3, 6])):
        _mutate(raw, _fields_of(seed), rng)
    return bytes(raw)
