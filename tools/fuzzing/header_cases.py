"""Heads of GGUF files with wrong bytes anywhere: read, not run."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

from pestle.errors import Error

from fuzzing.chance import mutated_bytes
from fuzzing.gguf_bytes import (
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
from fuzzing.kinds import Kind
from fuzzing.running import read_everything


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


def make(rng: random.Random) -> bytes:
    """A seed with one to six mutations."""
    seed = rng.randrange(len(seeds()))
    raw = bytearray(seeds()[seed])
    for _ in range(rng.choice([1, 1, 1, 2, 3, 6])):
        mutated_bytes(raw, rng, rng.choice(_fields_of(seed)) if rng.random() < 0.6 else None)
    return bytes(raw)


def run(case: bytes, folder: Path, rng: random.Random) -> None:
    """Read all of a file. A message is short, and of characters that are seen."""
    path = folder / "model.gguf"
    path.write_bytes(case)
    try:
        read_everything(path)
    except Error as error:
        _check(str(error))
        raise


def _check(message: str) -> None:
    assert message.isprintable()
    assert len(message) < 500


KIND = Kind(make, run)
