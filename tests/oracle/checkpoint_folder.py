"""Writes a tiny checkpoint as Hugging Face has it, without torch: safetensors and JSON."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pestle.tokenizer.byte_alphabet import CHAR_OF_BYTE

from .checkpoints import Case, Weights
from .parameters import parameters_of

Stored = tuple[str, tuple[int, ...], bytes]
"""dtype, shape, bytes."""


def stored(values: np.ndarray, dtype: str = "F32") -> Stored:
    """Values as a tensor of that dtype; BF16 is rounded to nearest even."""
    if dtype == "BF16":
        bits = values.astype("<f4").view("<u4").astype(np.uint64)
        data = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("<u2").tobytes()
    else:
        names = {"F32": "<f4", "F16": "<f2", "U8": "u1", "F8_E4M3": "u1"}
        data = values.astype(names[dtype]).tobytes()
    return dtype, values.shape, data


def safetensors(tensors: Mapping[str, Stored]) -> bytes:
    """A file of these tensors, in their order."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    at = 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {
            "dtype": dtype,
            "shape": list(shape),
            "data_offsets": [at, at + len(data)],
        }
        at += len(data)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + b"".join(data for _, _, data in tensors.values())


def write_tensors(folder: Path, tensors: Mapping[str, Stored], shards: int = 1) -> None:
    """In one file, or in several with an index; in the order of the names, as `save_pretrained`."""
    names = sorted(tensors)
    if shards == 1:
        (folder / "model.safetensors").write_bytes(safetensors({n: tensors[n] for n in names}))
        return
    places: dict[str, str] = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        of_file = names[shard * len(names) // shards : (shard + 1) * len(names) // shards]
        (folder / file).write_bytes(safetensors({name: tensors[name] for name in of_file}))
        places |= dict.fromkeys(of_file, file)
    index = {"metadata": {}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")


def tokenizer(n_vocab: int) -> dict[str, Any]:
    """A tokenizer.json of byte-level BPE with `n_vocab` tokens, the last of which is special."""
    alphabet = list(CHAR_OF_BYTE.values())
    pairs = [(a, b) for a in alphabet[:40] for b in alphabet[:40]]
    merges = pairs[: max(0, n_vocab - 1 - len(alphabet))]
    vocab = [*alphabet, *(a + b for a, b in merges)][: n_vocab - 1]
    special = {"id": n_vocab - 1, "content": "<|end_of_text|>", "special": True}
    return {
        "version": "1.0",
        "added_tokens": [special],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True},
        "post_processor": None,
        "decoder": {"type": "ByteLevel"},
        "model": {
            "type": "BPE",
            "vocab": {text: token for token, text in enumerate(vocab)},
            "merges": [list(pair) for pair in merges],
        },
    }


def write(
    folder: Path, case: Case, parameters: Weights, dtype: str = "F32", *, shards: int = 2
) -> Path:
    """The whole checkpoint, with config.json of transformers 5. Returns `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tensors(folder, {n: stored(v, dtype) for n, v in parameters.items()}, shards)
    for name, content in {
        "config.json": case.config,
        "tokenizer.json": tokenizer(case.n_vocab),
        "tokenizer_config.json": {
            "eos_token": "<|end_of_text|>",
            "chat_template": "{{ messages }}",
        },
        "generation_config.json": {"do_sample": True, "temperature": 0.7, "top_k": 20},
    }.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return folder


def write_zeros(folder: Path, case: Case, dtype: str = "F32") -> int:
    """A checkpoint of zeros, which takes no place on the disk; the bytes of its tensors."""
    write(folder, case, {}, shards=1)
    width = {"F32": 4, "BF16": 2}[dtype]
    header: dict[str, Any] = {}
    at = 0
    for name, random in parameters_of(case).items():
        end = at + width * int(np.prod(random.shape))
        header[name] = {"dtype": dtype, "shape": random.shape, "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    with (folder / "model.safetensors").open("wb") as stream:
        stream.write(struct.pack("<Q", len(text)) + text)
        stream.truncate(8 + len(text) + at)
    return at
