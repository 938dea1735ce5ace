"""`pestle info`: exact text and JSON, on a description made by hand."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from pestle import _core, gguf, models
from pestle.errors import OfflineError
from pestle.gguf import FileDescription, Share, TokenizerDescription

from .conftest import Pestle

FILE = FileDescription(
    path="/models/small.gguf",
    shards=2,
    gguf_version=3,
    file_bytes=98_362_432,
    architecture="llama",
    name="Small",
    license=None,
    file_type="Q4_1",
    parameters=134_515_008,
    tensor_bytes=96_000_000,
    types=(Share("Q4_1", 210, 106_000_000, 66_400_000), Share("F32", 61, 35_136, 140_544)),
    parts=(Share("ffn", 90, 79_600_000, 49_800_000), Share("norms", 61, 35_136, 140_544)),
    tied_embeddings=True,
    context_length=8192,
    n_layers=30,
    dim=576,
    n_experts=None,
    top_k=None,
    kv_bytes_per_token=23_040,
    tokenizer=TokenizerDescription("gpt2", "smollm", 49_152, {"bos": 1, "eos": 2}, False),
    has_chat_template=True,
)
TEXT = """\
file          /models/small.gguf
name          Small
format        GGUF v3, 98.4 MB in 2 files
quantization  Q4_1
architecture  llama, 30 layers, dim 576
parameters    135M, embeddings tied
context       8,192 tokens
tokenizer     gpt2/smollm, 49,152 tokens (bos 1, eos 2), adds no bos
template      yes: `pestle chat` can talk to it

type  tensors  parameters   memory
Q4_1      210        106M  66.4 MB
F32        61       35.1k   141 kB

part   tensors  parameters   memory
ffn         90       79.6M  49.8 MB
norms       61       35.1k   141 kB

KV cache: 23.0 kB a token in f16, 189 MB for the whole context
"""
TENSORS = [
    SimpleNamespace(name="output_norm.weight", type="F32", shape=(576,), offset=0, nbytes=2304,
                    shard=0),
    SimpleNamespace(name="blk.0.ffn_up.weight", type="Q4_1", shape=(576, 1536), offset=2304,
                    nbytes=552_960, shard=1),
]  # fmt: skip


@pytest.fixture(autouse=True)
def described(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Describe every path as FILE; returns what was asked of `models.resolve`."""
    asked: list[object] = []

    def resolve(name: str | None, *, offline: bool) -> Path:
        asked.append((name, offline))
        if name == "missing":
            raise OfflineError("missing is not on this machine: `pestle pull missing` fetches it")
        return Path("/models/small.gguf")

    monkeypatch.setattr(models, "resolve", resolve)
    monkeypatch.setattr(gguf, "describe", lambda path: FILE)
    monkeypatch.setattr(_core, "GgufFile", lambda path: SimpleNamespace(tensors=TENSORS))
    return asked


def test_text(pestle: Pestle, described: list[object]) -> None:
    result = pestle("info", "small.gguf")
    assert (result.stdout, result.stderr, result.exit_code) == (TEXT, "", 0)
    assert described == [("small.gguf", True)]


def test_default_model(pestle: Pestle, described: list[object]) -> None:
    assert pestle("info").stdout == TEXT
    assert described == [(None, True)]


def test_tensors(pestle: Pestle) -> None:
    assert pestle("info", "--tensors", "x").stdout == TEXT + (
        "\n"
        "tensor               type  shape      memory\n"
        "output_norm.weight   F32   576       2.30 kB\n"
        "blk.0.ffn_up.weight  Q4_1  576x1536   553 kB\n"
    )


def test_json(pestle: Pestle) -> None:
    data = json.loads(pestle("info", "--json", "x").stdout)
    assert data == json.loads(json.dumps(FILE.to_json()))
    assert (data["version"], data["kv_bytes_per_token"]) == (1, 23_040)


def test_json_with_tensors(pestle: Pestle) -> None:
    data = json.loads(pestle("info", "--json", "--tensors", "x").stdout)
    assert data["tensors"][1] == {
        "name": "blk.0.ffn_up.weight", "type": "Q4_1", "shape": [576, 1536], "offset": 2304,
        "nbytes": 552_960, "shard": 1,
    }  # fmt: skip


def test_missing_model_is_not_fetched(pestle: Pestle) -> None:
    result = pestle("info", "missing")
    assert result.stderr == (
        "pestle: error: missing is not on this machine: `pestle pull missing` fetches it\n"
    )
    assert (result.stdout, result.exit_code) == ("", 1)
