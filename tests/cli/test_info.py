"""`pestle info`: exact text and JSON, on a description made by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from pestle import _core, gguf, models
from pestle.cli import info
from pestle.errors import OfflineError
from pestle.gguf import FileDescription, KvCache, Share, TokenizerDescription
from pestle.quality import Certificate

from .conftest import Pestle
from .test_evaluate import FOUND

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
    kv_cache=(KvCache("f16", 23_040, 0), KvCache("q8_0", 12_240, 0), KvCache("f32", 46_080, 0)),
    refusal=None,
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

KV cache  a token  whole context
f16       23.0 kB         189 MB
q8_0      12.2 kB         100 MB
f32       46.1 kB         377 MB
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
            raise OfflineError("missing is not on this machine; `pestle pull missing` fetches it")
        return Path("/models/small.gguf")

    monkeypatch.setattr(models, "resolve", resolve)
    monkeypatch.setattr(gguf, "describe", lambda path, damaged: FILE)
    monkeypatch.setattr(_core, "GgufFile", lambda path, damaged: SimpleNamespace(tensors=TENSORS))
    return asked


def test_text(pestle: Pestle, described: list[object]) -> None:
    result = pestle("info", "small.gguf")
    assert (result.stdout, result.stderr, result.exit_code) == (TEXT, "", 0)
    assert described == [("small.gguf", True)]


def test_windows(pestle: Pestle, monkeypatch: pytest.MonkeyPatch) -> None:
    """What layers with a window take does not grow with the text."""
    kv_cache = (KvCache("f16", 24_576, 23_592_960), KvCache("q8_0", 13_056, 12_533_760))
    monkeypatch.setattr(gguf, "describe", lambda path, damaged: replace(FILE, kv_cache=kv_cache))
    assert pestle("info", "x").stdout.endswith(
        "\n"
        "KV cache  a token  windows  whole context\n"
        "f16       24.6 kB  23.6 MB         225 MB\n"
        "q8_0      13.1 kB  12.5 MB         119 MB\n"
    )


def test_a_model_that_does_not_run(pestle: Pestle, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = replace(FILE, kv_cache=(), refusal="small.gguf: architecture `x` is not supported")
    monkeypatch.setattr(gguf, "describe", lambda path, damaged: refused)
    stdout = pestle("info", "x").stdout
    assert "\nruns          no: small.gguf: architecture `x` is not supported\n\ntype" in stdout
    assert "KV cache" not in stdout


def test_a_file_that_is_cut(pestle: Pestle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its metadata is shown, and what is wrong with it is the error."""
    damage = "small.gguf: tensor `x` needs 64 bytes: the file is incomplete"
    cut = replace(FILE, damage=damage, refusal=damage)
    monkeypatch.setattr(gguf, "describe", lambda path, damaged: cut)
    result = pestle("info", "x")
    assert result.exit_code == 3
    refused = f"talk to it\nruns          no: {damage}\n"
    assert result.stdout == TEXT.replace("talk to it\n", refused)
    assert result.stderr == f"pestle: error: {damage}\n"
    result = pestle("info", "--json", "x")
    assert (result.exit_code, json.loads(result.stdout)["damage"]) == (3, damage)


def test_a_file_without_a_list_of_tensors(pestle: Pestle, monkeypatch: pytest.MonkeyPatch) -> None:
    cut = replace(FILE, types=(), parts=(), kv_cache=(), damage="small.gguf: cut", refusal="cut")
    monkeypatch.setattr(gguf, "describe", lambda path, damaged: cut)
    result = pestle("info", "x")
    assert "parameters" not in result.stdout
    assert result.stdout.endswith("runs          no: cut\n")
    assert result.exit_code == 3


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
    assert data["version"] == 1
    assert data["kv_cache"][0] == {"type": "f16", "bytes_per_token": 23_040, "window_bytes": 0}


def test_json_with_tensors(pestle: Pestle) -> None:
    data = json.loads(pestle("info", "--json", "--tensors", "x").stdout)
    assert data["tensors"][1] == {
        "name": "blk.0.ffn_up.weight", "type": "Q4_1", "shape": [576, 1536], "offset": 2304,
        "nbytes": 552_960, "shard": 1,
    }  # fmt: skip


def test_missing_model_is_not_fetched(pestle: Pestle) -> None:
    result = pestle("info", "missing")
    assert result.stderr == (
        "pestle: error: missing is not on this machine; `pestle pull missing` fetches it\n"
    )
    assert (result.stdout, result.exit_code) == ("", 1)


CERTIFICATE = """\
certificate  picks the same next token as the source 97.8 % of the time
             perplexity is 1.0084 times the source's
             mean divergence 0.01234 nats; 9,812 tokens of pestle-1, without tools/departures
             measured by Pestle 1.0, which made the file
             something is wrong: it is another model
"""


def test_certificate() -> None:
    found = replace(FOUND, left_out=("tools/departures: why",), problems=("it is another model",))
    data = Certificate("1.0", found).to_dict()
    file = replace(FILE, certificate=data)
    assert "\n".join(info.lines(file)) + "\n" == f"{TEXT}\n{CERTIFICATE}"
    assert file.to_json()["certificate"]["total"]["divergence"]["same_best"] == 0.978


def test_a_known_model_that_is_not_here(pestle: Pestle, monkeypatch: pytest.MonkeyPatch) -> None:
    """What there is to fetch, where from, and how to sample from it."""

    def resolve(name: str | None, **options: object) -> Path:
        raise OfflineError("not here")

    monkeypatch.setattr(models, "resolve", resolve)
    result = pestle("info", "qwen3:8b")
    assert result.exit_code == 0
    for said in (
        "repository    https://huggingface.co/Qwen/Qwen3-8B-GGUF\n",
        "file          Qwen3-8B-Q4_K_M.gguf, 5.03 GB\n",
        "license       apache-2.0\n",
        "sampling      temperature 0.6, top_k 20, top_p 0.95, min_p 0\n",
        "              https://huggingface.co/Qwen/Qwen3-8B\n",
    ):
        assert said in result.stdout
    assert result.stderr == ("It is not on this machine: `pestle pull qwen3-8b` fetches it.\n")
    assert pestle("info", "user/other").exit_code == 1
