"""The same bits for any threads, chunks, company, cached prefix, drafts and instruction set."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pestle import _core

from . import checkpoints, gguf_file, identity
from .checkpoints import CASES
from .conftest import TinyFile

TYPES = ("F32", "F16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q6_K", "Q4_K", "IQ4_NL", "MXFP4")
N_TOKENS = 150
FAMILIES = (
    "qwen3-tied",
    "qwen3moe-yarn",
    "gptoss-top1",
    "gptoss-busy",
    "deepseek3-ragged",
    "deepseek3-busy",
    "deepseek2-groups",
    "gemma3-linear",
)
RAGGED = ("llama-ragged", "llama-biases", "qwen2-yarn")
ALL_TYPES = gguf_file.NUMPY_TYPES + gguf_file.LIBGGUF_TYPES


def _file(name: str, type_name: str, tiny_file: TinyFile) -> Path:
    if type_name in gguf_file.LIBGGUF_TYPES:
        pytest.importorskip("libgguf", reason="quantizing to K and IQ types needs libgguf")
    return tiny_file(name, type_name)


def _assert_one_answer(path: Path, tokens: list[int], kv_type: str, n_ctx: int = 256) -> None:
    ways = identity.ways(_core.Model(path), tokens, n_ctx, kv_type)
    first, expected = next(ways)
    for name, logits in ways:
        assert logits.tobytes() == expected.tobytes(), f"{name} differs from {first}"


@pytest.mark.parametrize("type_name", TYPES)
def test_every_format(type_name: str, tiny_file: TinyFile) -> None:
    tokens = checkpoints.tokens(CASES["llama-256"], N_TOKENS)
    _assert_one_answer(_file("llama-256", type_name, tiny_file), tokens, "i16")


@pytest.mark.parametrize("type_name", ["Q8_0", "Q4_1", "Q4_K"])
@pytest.mark.parametrize("name", ["llama-2048", "gptoss-1024"])
def test_long_rows(name: str, type_name: str, tiny_file: TinyFile) -> None:
    """8-bit activations: other kernels than those of short rows."""
    tokens = checkpoints.tokens(CASES[name], 110)
    _assert_one_answer(_file(name, type_name, tiny_file), tokens, "i16")


@pytest.mark.parametrize("kv_type", ["i16", "f16", "f32", "q8_0", "q8_0/f16"])
@pytest.mark.parametrize("name", RAGGED)
def test_every_shape(name: str, kv_type: str, tiny_file: TinyFile) -> None:
    tokens = checkpoints.tokens(CASES[name], N_TOKENS)
    _assert_one_answer(_file(name, "Q8_0", tiny_file), tokens, kv_type)


@pytest.mark.parametrize("kv_type", ["i16", "q8_0"])
@pytest.mark.parametrize("name", FAMILIES)
def test_every_family(name: str, kv_type: str, tiny_file: TinyFile) -> None:
    """Experts shared with the tokens of other sequences, windows that end within the text."""
    tokens = checkpoints.tokens(CASES[name], N_TOKENS)
    _assert_one_answer(_file(name, "Q8_0", tiny_file), tokens, kv_type)


@pytest.mark.parametrize("kv_type", ["f16", "f32", "q8_0/i16"])
@pytest.mark.parametrize("name", ["qwen3moe-top1", "gptoss-top1", "gemma3-62-layers"])
def test_other_keys_and_values_of_families(name: str, kv_type: str, tiny_file: TinyFile) -> None:
    tokens = checkpoints.tokens(CASES[name], 110)
    _assert_one_answer(_file(name, "Q8_0", tiny_file), tokens, kv_type)


@pytest.mark.parametrize(
    ("name", "type_name"),
    [
        ("qwen3moe-256", "Q4_K"),
        ("gptoss-256", "MXFP4"),
        ("deepseek3-256", "Q4_K"),
        ("deepseek3-top1", "Q8_0"),
    ],
)
def test_experts_of_blocks(name: str, type_name: str, tiny_file: TinyFile) -> None:
    tokens = checkpoints.tokens(CASES[name], 110)
    _assert_one_answer(_file(name, type_name, tiny_file), tokens, "i16")


@pytest.mark.parametrize("name", ["gptoss-yarn", "deepseek3-long"])
def test_several_spans_of_families(name: str, tiny_file: TinyFile) -> None:
    tokens = checkpoints.tokens(CASES[name], 300)
    _assert_one_answer(tiny_file(name, "Q8_0"), tokens, "i16", 1024)


@pytest.mark.parametrize("kv_type", ["i16", "q8_0", "f16/i16"])
def test_several_spans(kv_type: str, tiny_file: TinyFile) -> None:
    """More than the 256 positions of a span: threads share the spans of one head."""
    tokens = checkpoints.tokens(CASES["llama-256"], 600)
    _assert_one_answer(tiny_file("llama-256", "Q8_0"), tokens, kv_type, 1024)


def _run(isa: str, arguments: list[str]) -> dict[str, Any]:
    result = subprocess.run(
        [sys.executable, identity.__file__, *arguments],
        env=os.environ | {"PESTLE_ISA": isa},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, f"{isa}: {result.stderr}"
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def _assert_every_isa_agrees(files: list[Path], n_tokens: int, folder: Path) -> None:
    # Ids below the smallest vocabulary.
    tokens = [t % 100 for t in checkpoints.tokens(CASES["llama-256"], n_tokens)]
    token_file = folder / "tokens.json"
    token_file.write_text(json.dumps(tokens), encoding="utf-8")
    arguments = [str(token_file), *map(str, files)]
    answers = {isa: _run(isa, arguments) for isa in _core.isas()}
    assert {isa: a["isa"] for isa, a in answers.items()} == {isa: isa for isa in answers}
    expected = answers["scalar"]["digests"]
    for isa, answer in answers.items():
        assert answer["digests"] == expected, f"{isa} differs from scalar"


def test_every_isa(tiny_file: TinyFile, tmp_path: Path) -> None:
    files = [_file("llama-256", type_name, tiny_file) for type_name in ALL_TYPES]
    files += [tiny_file(name, "Q8_0") for name in (*RAGGED, *FAMILIES)]
    _assert_every_isa_agrees(files, 80, tmp_path)


def test_every_isa_with_long_rows(tiny_file: TinyFile, tmp_path: Path) -> None:
    files = [_file("llama-2048", type_name, tiny_file) for type_name in ALL_TYPES]
    files += [_file("gptoss-1024", type_name, tiny_file) for type_name in ("Q8_0", "MXFP4", "Q4_K")]
    _assert_every_isa_agrees(files, 14, tmp_path)
