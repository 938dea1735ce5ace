"""What `pestle.gguf.describe` says about a file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from fuzzing.gguf_bytes import BOOL, F32, I32, STRING, U32, Tensor, array, entry, gguf
from pestle.errors import FormatError
from pestle.gguf import Share, describe

ARCHITECTURE = entry("general.architecture", STRING, "llama")
SIZES = [
    entry("llama.block_count", U32, 2),
    entry("llama.embedding_length", U32, 64),
    entry("llama.context_length", U32, 4096),
    entry("llama.attention.head_count", U32, 4),
]
TENSORS = {  # name: elements
    "token_embd.weight": 64,
    "blk.0.attn_norm.weight": 8,
    "blk.0.attn_q.weight": 32,
    "blk.0.attn_q_norm.weight": 8,
    "blk.0.attn_output.weight": 32,
    "blk.0.ffn_up.weight": 96,
    "blk.0.ffn_gate_inp.weight": 8,
    "blk.0.ffn_up_exps.weight": 128,
    "blk.0.ffn_up_shexp.weight": 8,
    "output_norm.weight": 8,
    "rope_freqs.weight": 8,
}


def write(path: Path, entries: list[bytes], names: dict[str, int] | None = None) -> Path:
    tensors, offset = [], 0
    for name, elements in (names or {}).items():
        tensors.append(Tensor(name, (elements,), offset=offset))
        offset += 4 * elements
    path.write_bytes(gguf(entries, tensors, bytes(offset)))
    return path


def test_a_whole_description(tmp_path: Path) -> None:
    tokenizer = [
        entry("tokenizer.ggml.model", STRING, "gpt2"),
        entry("tokenizer.ggml.pre", STRING, "smollm"),
        array("tokenizer.ggml.tokens", STRING, ["a", "b", "c"]),
        entry("tokenizer.ggml.bos_token_id", U32, 1),
        entry("tokenizer.ggml.eos_token_id", U32, 2),
        entry("tokenizer.ggml.add_bos_token", BOOL, True),
        entry("tokenizer.chat_template", STRING, "{{ messages }}"),
    ]
    names = [entry("general.name", STRING, "Tiny"), entry("general.file_type", U32, 15)]
    path = write(tmp_path / "m.gguf", [ARCHITECTURE, *names, *SIZES, *tokenizer], TENSORS)
    description = describe(path)
    assert description.path == str(path)
    assert description.architecture == "llama"
    assert description.name == "Tiny"
    assert description.license is None
    assert description.file_type == "Q4_K_M"
    assert description.file_bytes == path.stat().st_size
    assert (description.shards, description.gguf_version) == (1, 3)
    assert (description.n_layers, description.dim, description.context_length) == (2, 64, 4096)
    assert description.parameters == 400
    assert description.tensor_bytes == 1600
    assert description.types == (Share("F32", 11, 400, 1600),)
    assert description.parts == (
        Share("experts", 1, 128, 512),
        Share("ffn", 3, 112, 448),
        Share("attention", 2, 64, 256),
        Share("embedding", 1, 64, 256),
        Share("norms", 3, 24, 96),
        Share("other", 1, 8, 32),
    )
    assert description.tied_embeddings
    assert description.has_chat_template
    assert description.tokenizer is not None
    assert description.tokenizer.n_vocab == 3
    assert description.tokenizer.special_ids == {"bos": 1, "eos": 2}
    assert (description.tokenizer.model, description.tokenizer.pre) == ("gpt2", "smollm")
    assert description.tokenizer.add_bos is True
    # Matrices are missing.
    assert description.kv_cache == ()
    assert description.refusal is not None
    assert description.refusal.startswith("m.gguf: ")

    read = json.loads(json.dumps(description.to_json()))
    assert read["version"] == 1
    assert read["parts"][0] == {"name": "experts", "tensors": 1, "parameters": 128, "bytes": 512}


def test_a_file_that_states_little(tmp_path: Path) -> None:
    description = describe(write(tmp_path / "m.gguf", [ARCHITECTURE]))
    assert description.tokenizer is None
    assert description.context_length is None
    assert description.kv_cache == ()
    assert description.parts == ()
    assert not description.tied_embeddings
    assert not description.has_chat_template


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("token_embd_norm.weight", "norms"),
        ("output.weight", "output"),
        ("blk.12.attn_kv_b.weight", "attention"),
        ("blk.3.attn_sinks.weight", "attention"),
        ("blk.3.ffn_gate.7.weight", "experts"),
        ("blk.3.ffn_gate_up_exps.weight", "experts"),
        ("blk.3.exp_probs_b.bias", "ffn"),
        ("v.blk.0.attn_q.weight", "other"),
    ],
)
def test_parts(tmp_path: Path, name: str, part: str) -> None:
    description = describe(write(tmp_path / "m.gguf", [ARCHITECTURE], {name: 8}))
    assert [share.name for share in description.parts] == [part]


def test_an_architecture_that_does_not_run(tmp_path: Path) -> None:
    other = entry("general.architecture", STRING, "mamba")
    description = describe(write(tmp_path / "m.gguf", [other, *SIZES]))
    assert description.refusal is not None
    assert "m.gguf: architecture `mamba` is not supported; Pestle runs" in description.refusal
    assert (description.kv_cache, description.architecture) == ((), "mamba")


def test_experts(tmp_path: Path) -> None:
    keys = [
        entry("llama.expert_count", U32, 8),
        array("llama.expert_used_count", U32, [2, 4]),
    ]
    description = describe(write(tmp_path / "m.gguf", [ARCHITECTURE, *keys]))
    assert (description.n_experts, description.top_k) == (8, 4)


def test_names_are_safe_to_print(tmp_path: Path) -> None:
    name = entry("general.name", STRING, b"\x1b[2Jm\xff\xc2\x9b\n")
    description = describe(write(tmp_path / "m.gguf", [ARCHITECTURE, name]))
    assert description.name == "\ufffd[2Jm\ufffd\ufffd\ufffd"


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([], "m.gguf: key `general.architecture` is missing"),
        ([entry("general.architecture", U32, 1)], "key `general.architecture` is not a string"),
        ([ARCHITECTURE, entry("llama.block_count", F32, 1.0)], "is not an integer"),
        ([ARCHITECTURE, entry("llama.block_count", BOOL, 1)], "is not an integer"),
        ([ARCHITECTURE, entry("llama.block_count", I32, -1)], "is -1, expected no negative number"),
        ([ARCHITECTURE, array("llama.block_count", U32, [1])], "is an array, expected an integer"),
        (
            [
                ARCHITECTURE,
                entry("tokenizer.ggml.model", STRING, "gpt2"),
                entry("tokenizer.ggml.add_bos_token", U32, 1),
            ],
            "key `tokenizer.ggml.add_bos_token` is not a bool",
        ),
    ],
)
def test_keys_of_another_kind(tmp_path: Path, entries: list[bytes], words: str) -> None:
    path = write(tmp_path / "m.gguf", entries)
    with pytest.raises(FormatError) as caught:
        describe(path)
    assert words in str(caught.value)


def test_a_file_that_is_cut(tmp_path: Path) -> None:
    """Its metadata is whole, and is described when that is asked for."""
    path = write(tmp_path / "m.gguf", [ARCHITECTURE, *SIZES], TENSORS)
    whole = describe(path)
    os.truncate(path, path.stat().st_size - 1)
    with pytest.raises(FormatError, match="the file is incomplete") as caught:
        describe(path)
    found = describe(path, damaged=True)
    assert found.damage == found.refusal == str(caught.value)
    assert (found.n_layers, found.parameters, found.parts) == (2, whole.parameters, whole.parts)
    assert whole.damage is None


def test_a_list_that_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(gguf([ARCHITECTURE, *SIZES], [Tensor("a" * 9)], alignment=1)[:-4])
    found = describe(path, damaged=True)
    assert found.damage is not None
    assert found.damage.startswith("m.gguf: tensor `aaaaaaaaa` is cut off: offset needs 8 bytes")
    assert (found.n_layers, found.context_length, found.parameters) == (2, 4096, 0)
