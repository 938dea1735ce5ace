"""One test for each way in which a model may be wrong, or beyond what Pestle runs."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type
from pestle import _core
from pestle.errors import Error, FormatError, UnsupportedError
from pestle.gguf import describe

from .parts import Parts, parts


def refuse(model: Parts, tmp_path: Path, error: type[Error], message: str) -> None:
    path = model.write(tmp_path / "bad.gguf")
    with pytest.raises(error, match=re.escape(message)) as caught:
        _core.Model(path, threads=1)
    assert type(caught.value) is error
    assert str(caught.value).startswith("bad.gguf: ")
    assert "\n" not in str(caught.value)


# Metadata: key, value (None: absent), error, message.
METADATA: list[tuple[str, Any, type[Error], str]] = [
    ("block_count", 0, FormatError, "llama.block_count is 0, expected 1 to 512"),
    ("block_count", 513, FormatError, "llama.block_count is 513, expected 1 to 512"),
    ("block_count", -1, FormatError, "key llama.block_count is -1, out of range"),
    ("block_count", 2**32 - 1, FormatError, "key llama.block_count is 4294967295, out of range"),
    ("block_count", 3, FormatError, "tensor `blk.2.attn_norm.weight` is missing"),
    ("block_count", 1, UnsupportedError, "tensor `blk.1."),
    ("block_count", "two", FormatError, "block_count"),
    ("block_count", 2.5, FormatError, "block_count"),
    ("block_count", None, FormatError, "llama.block_count"),
    ("embedding_length", 0, FormatError, "embedding_length is 0, expected 1 to 1048576"),
    ("embedding_length", 2**21, FormatError, "embedding_length is 2097152, expected 1 to"),
    ("embedding_length", 64, FormatError, "tensor `token_embd.weight` has shape 96x101"),
    ("embedding_length", None, FormatError, "llama.embedding_length"),
    ("feed_forward_length", 0, FormatError, "feed_forward_length is 0"),
    ("feed_forward_length", 2**21, FormatError, "feed_forward_length is 2097152"),
    ("feed_forward_length", [128, 96], UnsupportedError, "differs between layers"),
    ("attention.head_count", 0, FormatError, "attention.head_count is 0, expected 1 to 4096"),
    ("attention.head_count", 4097, FormatError, "attention.head_count is 4097"),
    ("attention.head_count", 3, FormatError, "3 heads do not share 2 KV heads evenly"),
    ("attention.head_count", None, FormatError, "llama.attention.head_count"),
    ("attention.head_count_kv", 0, FormatError, "attention.head_count_kv is 0"),
    ("attention.head_count_kv", 3, FormatError, "4 heads do not share 3 KV heads evenly"),
    ("attention.head_count_kv", 8, FormatError, "4 heads do not share 8 KV heads evenly"),
    ("attention.head_count_kv", [2, 4], UnsupportedError, "differs between layers"),
    ("attention.key_length", 0, FormatError, "attention.key_length is 0"),
    ("attention.key_length", 5000, FormatError, "attention.key_length is 5000"),
    ("attention.value_length", 16, UnsupportedError, "attention.value_length 16 differs"),
    ("attention.causal", False, UnsupportedError, "llama.attention.causal is false, expected true"),
    ("attention.causal", 1, FormatError, "llama.attention.causal"),
    ("rope.dimension_count", 0, FormatError, "rope.dimension_count is 0"),
    ("rope.dimension_count", 31, FormatError, "is 31, expected an even number up to 32"),
    ("rope.dimension_count", 34, FormatError, "is 34, expected an even number up to 32"),
    ("rope.freq_base", 0.0, FormatError, "rope.freq_base is 0"),
    ("rope.freq_base", math.nan, FormatError, "rope.freq_base is"),
    ("rope.freq_base", -1e4, FormatError, "rope.freq_base is"),
    ("rope.scaling.type", "longrope", UnsupportedError, "rope scaling `longrope`"),
    ("context_length", 0, FormatError, "context_length is 0"),
    ("context_length", None, FormatError, "llama.context_length"),
    ("attention.layer_norm_rms_epsilon", 0.0, FormatError, "rms_epsilon is 0, expected 1e-30 to"),
    ("attention.layer_norm_rms_epsilon", 1.0, FormatError, "rms_epsilon is 1, expected 1e-30 to"),
    ("attention.layer_norm_rms_epsilon", math.nan, FormatError, "rms_epsilon is nan, expected"),
    ("attention.layer_norm_rms_epsilon", None, FormatError, "rms_epsilon"),
    ("expert_count", 8, UnsupportedError, "a mixture of experts (key llama.expert_count)"),
    ("attention.sliding_window", 4096, UnsupportedError, "a sliding window"),
]


@pytest.mark.parametrize(("key", "value", "error", "message"), METADATA)
def test_metadata(tmp_path: Path, key: str, value: Any, error: type[Error], message: str) -> None:
    model = parts()
    if value is None:
        del model.metadata[key]
    else:
        model.metadata[key] = value
    refuse(model, tmp_path, error, message)


# Shapes that leave the rest consistent: tensor, its rows of numpy, message.
SHAPES: list[tuple[str, Callable[[np.ndarray], np.ndarray], str]] = [
    ("blk.1.ffn_up.weight", lambda t: t[:-1], "has shape 96x127, expected 96x128"),
    ("blk.1.ffn_up.weight", lambda t: t[:, :-1], "has shape 95x128, expected 96x128"),
    ("blk.0.ffn_down.weight", lambda t: t.T, "has shape 96x128, expected 128x96"),
    ("blk.0.attn_q.weight", lambda t: t[:64], "has shape 96x64, expected 96x128"),
    ("blk.0.attn_k.weight", lambda t: np.vstack([t, t]), "has shape 96x128, expected 96x64"),
    ("blk.0.attn_q.weight", lambda t: t[None].repeat(2, 0), "has shape 96x128x2, expected 96x128"),
    ("blk.0.attn_q.weight", lambda t: t.ravel(), "has shape 12288, expected 96x128"),
    ("blk.0.attn_q.bias", lambda t: t[:-1], "has shape 127, expected 128"),
    ("blk.1.ffn_norm.weight", lambda t: t[:-1], "has shape 95, expected 96"),
    ("output_norm.weight", lambda t: t[:, None], "has shape 1x96, expected 96"),
    ("output.weight", lambda t: t[:-1], "has shape 96x100, expected 96x101"),
    ("token_embd.weight", lambda t: t[:, :64], "has shape 64x101, expected 96x101"),
]


@pytest.mark.parametrize(("name", "change", "message"), SHAPES)
def test_shapes(
    tmp_path: Path, name: str, change: Callable[[np.ndarray], np.ndarray], message: str
) -> None:
    model = parts()
    model.tensors[name] = np.ascontiguousarray(change(model.tensors[name]))
    refuse(model, tmp_path, FormatError, f"bad.gguf: tensor `{name}` {message}")


@pytest.mark.parametrize(
    "name",
    [
        "token_embd.weight",
        "output_norm.weight",
        "blk.0.attn_norm.weight",
        "blk.1.attn_q.weight",
        "blk.1.attn_v.weight",
        "blk.1.attn_output.weight",
        "blk.1.ffn_norm.weight",
        "blk.0.ffn_gate.weight",
        "blk.0.ffn_down.weight",
    ],
)
def test_missing_tensors(tmp_path: Path, name: str) -> None:
    model = parts()
    del model.tensors[name]
    refuse(model, tmp_path, FormatError, f"bad.gguf: tensor `{name}` is missing")


@pytest.mark.parametrize(
    "name",
    [
        "blk.0.attn_q_norm.weight",
        "blk.0.attn_norm.bias",
        "blk.2.attn_q.weight",
        "blk.01.attn_q.weight",
        "blk.0.ffn_gate_inp.weight",
        "position_embd.weight",
        "output.scale",
        "unheard_of",
    ],
)
def test_tensors_that_would_be_ignored(tmp_path: Path, name: str) -> None:
    model = parts()
    model.tensors[name] = np.zeros(96, np.float32)
    message = f"bad.gguf: tensor `{name}` is not part of the architecture llama as Pestle runs it"
    refuse(model, tmp_path, UnsupportedError, message)


def test_fused_beside_split(tmp_path: Path) -> None:
    model = parts()
    model.tensors["blk.0.attn_qkv.weight"] = np.zeros((256, 96), np.float32)
    refuse(model, tmp_path, UnsupportedError, "tensor `blk.0.attn_qkv.weight` is not part of")


@pytest.mark.parametrize("kind", ["weight", "bias"])
def test_fused_too_short(tmp_path: Path, kind: str) -> None:
    model = parts()
    for which in ("weight", "bias"):
        names = [f"blk.0.attn_{part}.{which}" for part in "qkv"]
        fused = np.concatenate([model.tensors.pop(name) for name in names])
        model.tensors[f"blk.0.attn_qkv.{which}"] = fused[:-1] if which == kind else fused
    refuse(model, tmp_path, FormatError, f"tensor `blk.0.attn_qkv.{kind}` has")


def test_fused_too_long(tmp_path: Path) -> None:
    """Rows that nobody reads would be ignored."""
    model = parts()
    for which in ("weight", "bias"):
        names = [f"blk.0.attn_{part}.{which}" for part in "qkv"]
        fused = np.concatenate([model.tensors.pop(name) for name in names])
        model.tensors[f"blk.0.attn_qkv.{which}"] = np.concatenate([fused, fused[:32]])
    refuse(model, tmp_path, FormatError, "tensor `blk.0.attn_qkv.")


@pytest.mark.parametrize("name", ["mamba", "llama4", "Llama", "llama "])
def test_architectures(tmp_path: Path, name: str) -> None:
    model = parts()
    model.architecture = name
    message = f"architecture `{name}` is not supported; Pestle runs llama, qwen2"
    refuse(model, tmp_path, UnsupportedError, message)


def test_no_architecture(tmp_path: Path) -> None:
    path = tmp_path / "bad.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.kv_data[0].clear()
    writer.add_tensor("token_embd.weight", np.zeros((2, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(FormatError, match=r"bad\.gguf: .*general\.architecture"):
        _core.Model(path)


def test_text_that_is_not_printable(tmp_path: Path) -> None:
    """Bytes that are not UTF-8, or that would move a cursor, are spelled in the message."""
    text = b"\xff\x1b]52;c;x\x07\xe2\x80\xae"
    model = parts()
    model.metadata["rope.scaling.type"] = "?" * len(text)
    path = model.write(tmp_path / "bad.gguf")
    path.write_bytes(path.read_bytes().replace(b"?" * len(text), text))
    shown = r"bad.gguf: rope scaling `\xff\x1b]52;c;x\x07\xe2\x80\xae` is not supported"
    with pytest.raises(UnsupportedError) as caught:
        _core.Model(path, threads=1)
    assert str(caught.value) == shown
    assert describe(path).refusal == shown


@pytest.mark.parametrize("kind", ["TQ1_0", "TQ2_0", "IQ2_XXS", "IQ3_S", "Q8_K", "F64", "I32"])
def test_types(tmp_path: Path, kind: str) -> None:
    """Types that the file format has and the kernels have not."""
    model = parts("llama-256")
    name = "blk.0.ffn_down.weight"
    columns, size = gguf.GGML_QUANT_SIZES[Type[kind]]
    rows, width = model.tensors[name].shape
    model.tensors[name] = np.zeros((rows, width // columns * size), np.uint8)
    model.types[name] = kind
    message = f"bad.gguf: tensor `{name}` has type {kind}, which Pestle does not run"
    refuse(model, tmp_path, UnsupportedError, message)


def test_quantized_vectors(tmp_path: Path) -> None:
    model = parts()
    model.quantize("blk.0.attn_norm.weight", "Q8_0")
    message = "tensor `blk.0.attn_norm.weight` has type Q8_0, expected a float type for a vector"
    refuse(model, tmp_path, UnsupportedError, message)


def test_fewer_embeddings_than_tokens(tmp_path: Path) -> None:
    model = parts()
    model.general["tokenizer.ggml.tokens"] = [f"t{i}" for i in range(102)]
    message = "the tokenizer has 102 tokens, token_embd.weight has only 101 rows"
    refuse(model, tmp_path, FormatError, message)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan])
def test_frequency_divisors(tmp_path: Path, value: float) -> None:
    model = parts("llama-llama3-rope")
    model.tensors["rope_freqs.weight"][3] = value
    refuse(model, tmp_path, FormatError, "`rope_freqs.weight` holds a divisor that is not in")


def test_too_few_frequency_divisors(tmp_path: Path) -> None:
    model = parts("llama-llama3-rope")
    model.tensors["rope_freqs.weight"] = model.tensors["rope_freqs.weight"][:-1]
    refuse(model, tmp_path, FormatError, "tensor `rope_freqs.weight` has shape 7, expected 8")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(Error, match=r"none\.gguf"):
        _core.Model(tmp_path / "none.gguf")
