"""tools/make_synthetic.py: published sizes, llama-quantize's types, sane blocks, files that run."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type
from pestle import _core
from synthetic import gguf_file, mixture, vocabulary
from synthetic.blocks import random_rows
from synthetic.shapes import (
    SHAPES,
    ExpertGroups,
    Experts,
    LatentAttention,
    Llama3Rope,
    Shape,
    Yarn,
)
from synthetic.tensors import tensors

# As the models' authors state them; what Llama 3.2 has more here is its 32 rope_freqs.
PUBLISHED = {
    "smollm2-135m": 134_515_008,
    "smollm2-360m": 361_821_120,
    "smollm2-1.7b": 1_711_376_384,
    "llama-3.2-1b": 1_235_814_400 + 32,
    "llama-3.2-3b": 3_212_749_824 + 64,
    "qwen2.5-0.5b": 494_032_768,
    "qwen2.5-1.5b": 1_543_714_304,
    "qwen2.5-3b": 3_085_938_688,
    "qwen3-0.6b": 596_049_920,
    "qwen3-4b": 4_022_468_096,
    "qwen3-30b-a3b": 30_532_122_624,
    "gpt-oss-20b": 20_914_757_184,
    "gpt-oss-120b": 116_829_156_672,
    "deepseek-v2-lite": 15_706_484_224,
    "deepseek-v3": 671_026_419_200,
    "gemma-3-1b": 999_885_952,
}

TINY = {
    "llama": Shape("llama", 64, 96, 3, 4, 2, 32, 40, 128, 1e4, 1e-5, llama3_rope=Llama3Rope(32)),
    "qwen2": Shape("qwen2", 256, 512, 2, 4, 1, 64, 40, 128, 1e6, 1e-6, tied=False),
    "qwen3moe": Shape("qwen3moe", 256, 96, 2, 4, 2, 64, 40, 128, 1e6, 1e-6, tied=False,
                      experts=Experts(8, 3, 64)),
    "gpt-oss": Shape("gpt-oss", 96, 96, 2, 4, 2, 32, 40, 128, 1e4, 1e-5, tied=False,
                     yarn=Yarn(4.0, 32), experts=Experts(4, 2, 96), window=16),
    "deepseek2": Shape("deepseek2", 256, 512, 3, 4, 1, 96, 40, 128, 1e4, 1e-6, tied=False,
                       yarn=Yarn(4.0, 32, log_multiplier=0.1),
                       experts=Experts(8, 2, 64, n_shared=1, n_dense_layers=1, weights_scale=2.0,
                                       groups=ExpertGroups(4, 2)),
                       latent=LatentAttention(64, 64, 32, 64, q_lora_rank=128)),
    "gemma3": Shape("gemma3", 256, 512, 7, 4, 2, 64, 40, 128, 1e6, 1e-6, window=16,
                    linear_scale=8.0),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_as_published(name: str) -> None:
    assert sum(math.prod(t.size) for t in tensors(SHAPES[name])) == PUBLISHED[name]


def types(name: str, kind: str, *, pure: bool = False) -> dict[str, str]:
    return mixture.choose(SHAPES[name], kind, pure=pure)


def test_a_simple_mixture_has_a_finer_head() -> None:
    found = types("llama-3.2-1b", "Q4_0")
    assert found["token_embd.weight"] == "Q6_K"
    assert found["blk.0.ffn_down.weight"] == "Q4_0"
    assert found["blk.0.attn_norm.weight"] == found["rope_freqs.weight"] == "F32"
    assert types("llama-3.2-1b", "Q8_0")["token_embd.weight"] == "Q8_0"


def test_the_smollm2_file_has_these_types() -> None:
    """SmolLM2-135M-Instruct.Q4_1.gguf, as it was published: 576 columns have no Q6_K."""
    found = types("smollm2-135m", "Q4_1")
    assert found.pop("token_embd.weight") == "Q8_0"
    assert {kind for part, kind in found.items() if "norm" not in part} == {"Q4_1"}


def test_q4_k_m_gives_some_layers_more_bits() -> None:
    found = types("llama-3.2-1b", "Q4_K_M")
    for part in ("attn_v", "ffn_down"):
        finer = [i for i in range(16) if found[f"blk.{i}.{part}.weight"] == "Q6_K"]
        assert finer == [0, 1, 4, 7, 10, 13, 14, 15]
        assert found[f"blk.2.{part}.weight"] == "Q4_K"
    assert found["blk.0.attn_q.weight"] == found["blk.0.ffn_up.weight"] == "Q4_K"
    assert found["token_embd.weight"] == "Q6_K"


def test_rows_that_no_super_block_divides_fall_back() -> None:
    found = types("qwen2.5-0.5b", "Q4_K_M")  # 896 columns; those of ffn_down are 4864
    assert found["token_embd.weight"] == found["blk.0.attn_v.weight"] == "Q8_0"
    assert found["blk.0.attn_q.weight"] == found["blk.4.attn_v.weight"] == "Q5_0"
    assert found["blk.0.ffn_down.weight"] == "Q6_K"
    assert found["blk.0.attn_v.bias"] == "F32"


def test_gpt_oss_keeps_its_experts_in_mxfp4() -> None:
    found = types("gpt-oss-20b", "Q4_K_M")
    assert found["blk.3.ffn_down_exps.weight"] == "MXFP4"
    assert found["blk.3.ffn_down_exps.bias"] == found["blk.3.ffn_gate_inp.weight"] == "F32"
    assert found["output.weight"] == "Q8_0"
    assert found["blk.3.attn_q.weight"] == "Q5_0"
    assert found["blk.3.attn_output.weight"] == "Q4_K"  # 4096 columns
    published = types("gpt-oss-20b", "MXFP4_MOE")
    assert published["blk.3.attn_q.weight"] == published["output.weight"] == "Q8_0"


def test_deepseek_falls_back_where_its_widths_are_odd() -> None:
    found = types("deepseek-v2-lite", "Q4_K_M")
    assert found["blk.5.attn_k_b.weight"] == "Q5_0"
    assert found["blk.1.ffn_down_exps.weight"] == "Q8_0"  # 1408 columns, a layer of more bits
    assert found["blk.4.ffn_down_exps.weight"] == "Q5_0"
    assert found["blk.1.ffn_down_shexp.weight"] == "Q6_K"
    assert found["output.weight"] == "Q6_K"
    assert found["token_embd.weight"] == "Q4_K"


def test_pure_means_every_matrix() -> None:
    found = types("llama-3.2-1b", "Q3_K", pure=True)
    assert {kind for part, kind in found.items() if "norm" not in part and "rope" not in part} == {
        "Q3_K"
    }
    # 576 columns fall back, 1536 do not.
    assert {*types("smollm2-135m", "Q2_K", pure=True).values()} == {"F32", "Q4_0", "Q2_K"}


@pytest.mark.parametrize("kind", mixture.PURE)
def test_blocks_have_the_mean_and_deviation_asked_for(kind: str) -> None:
    std, rows, columns = 0.02, 64, 2048
    data = random_rows(kind, rows, columns, std, np.random.default_rng(1))
    values = gguf.quants.dequantize(data, Type[kind]).reshape(rows, columns)
    assert np.isfinite(values).all()
    assert values.std() == pytest.approx(std, rel=0.04)
    # The mean's own deviation is std / 362; half of a block's scales may be negative.
    assert abs(values.mean()) < std / 40
    # Row sums as of independent values: a common offset would make them columns ** 0.5 larger.
    assert values.sum(axis=1).std() < 3 * std * columns**0.5
    assert np.abs(values).max() < 6 * std
    assert len(np.unique(values[0])) > 12


def test_q8_0_never_has_the_code_that_no_quantizer_writes() -> None:
    data = random_rows("Q8_0", 64, 4096, 0.02, np.random.default_rng(1))
    assert data.reshape(-1, 34)[:, 2:].view(np.int8).min() == -127


def test_llama3_divides_the_slow_rotations_only() -> None:
    factors = gguf_file.rope_factors(SHAPES["llama-3.2-1b"])
    assert factors.shape == (32,)
    assert factors[0] == 1
    assert factors[-1] == 32
    assert (np.diff(factors) >= 0).all()
    assert 1 < np.median(factors) < 32


@pytest.fixture(scope="module")
def tokenizer_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list([chr(97 + i) for i in range(26)])
    writer.add_token_types([1] * 26)
    writer.add_token_merges(["a b"])
    writer.add_add_bos_token(False)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_a_tokenizer_is_padded_with_unused_tokens(tokenizer_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    gguf_file.write(path, TINY["llama"], "Q8_0", vocabulary.read(tokenizer_file))
    file = _core.GgufFile(path)
    assert file["tokenizer.ggml.tokens"][24:28] == ["y", "z", "[PAD26]", "[PAD27]"]
    assert file["tokenizer.ggml.token_type"] == [1] * 26 + [5] * 14
    assert file["tokenizer.ggml.merges"] == ["a b"]
    assert file["tokenizer.ggml.add_bos_token"] is False
    assert not path.with_name("tiny.gguf.part").exists()


def test_a_tokenizer_larger_than_the_shape_is_refused(tokenizer_file: Path) -> None:
    with pytest.raises(ValueError, match="the tokenizer has 26 tokens, the shape 20"):
        vocabulary.pad(vocabulary.read(tokenizer_file), 20)


@pytest.mark.parametrize(
    ("name", "kind", "pure"),
    [("llama", "Q4_K_M", False), ("llama", "Q4_0", True), ("qwen2", "Q4_K_M", False),
     ("qwen2", "IQ4_XS", False), ("qwen2", "Q3_K", True), ("qwen2", "F16", False),
     ("qwen3moe", "Q4_K_M", False), ("gpt-oss", "MXFP4_MOE", False),
     ("deepseek2", "Q4_K_M", False), ("gemma3", "Q8_0", False)],
)  # fmt: skip
def test_a_file_runs(
    tokenizer_file: Path, tmp_path: Path, name: str, kind: str, pure: bool
) -> None:
    path = tmp_path / "tiny.gguf"
    gguf_file.write(path, TINY[name], kind, vocabulary.read(tokenizer_file), pure=pure)
    engine = _core.Engine(_core.Model(path, threads=1), n_ctx=64, threads=1)
    engine.step([(engine.sequence(), list(range(40)))], logits="all")
    logits = engine.logits()
    assert np.isfinite(logits).all()
    assert 0.5 < logits.std() < 2  # normed, times weights of a deviation of dim ** -0.5


def tensor_bytes(path: Path) -> dict[str, bytes]:
    file = _core.GgufFile(path)
    return {t.name: file.read(t.name).tobytes() for t in file.tensors}


def test_a_seed_decides_the_weights(tokenizer_file: Path, tmp_path: Path) -> None:
    words = vocabulary.read(tokenizer_file)

    def write(shape: Shape, seed: int, name: str) -> Path:
        path = tmp_path / name / "tiny.gguf"
        path.parent.mkdir()
        gguf_file.write(path, shape, "Q4_K_M", words, seed=seed)
        return path

    shape = TINY["qwen2"]
    first = write(shape, 7, "a")
    assert first.read_bytes() == write(shape, 7, "b").read_bytes()
    others = tensor_bytes(write(shape, 8, "c"))
    same = [name for name, data in tensor_bytes(first).items() if others[name] == data]
    assert same == []
    # With fewer layers, those that are left are the same ones.
    shorter = tensor_bytes(write(replace(shape, n_layers=1), 7, "d"))
    assert shorter["blk.0.ffn_up.weight"] == tensor_bytes(first)["blk.0.ffn_up.weight"]


def run_tool(
    load_tool: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch, *arguments: object
) -> int:
    tool = load_tool("make_synthetic")
    monkeypatch.setattr(sys, "argv", ["make_synthetic.py", *map(str, arguments)])
    return tool.main()


def test_the_command_writes_a_model_of_fewer_layers(
    load_tool: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
    tokenizer_file: Path,
    tmp_path: Path,
) -> None:
    monkeypatch.setitem(SHAPES, "smollm2-135m", TINY["llama"])
    path = tmp_path / "x.gguf"
    arguments = ("smollm2-135m", path, "--type", "Q8_0", "--tokenizer", tokenizer_file)
    assert run_tool(load_tool, monkeypatch, *arguments, "--layers", "2") == 0
    assert _core.GgufFile(path)["llama.block_count"] == 2
    with pytest.raises(SystemExit, match="smollm2-135m has 3 layers, not 4"):
        run_tool(load_tool, monkeypatch, *arguments, "--layers", "4")


def test_the_command_refuses_what_is_no_mixture(
    load_tool: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        run_tool(load_tool, monkeypatch, "llama-4b", "x.gguf", "--type", "Q4_K")
    assert "Q4_K needs --pure" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run_tool(load_tool, monkeypatch, "llama-4b", "x.gguf", "--type", "Q4_K_M", "--pure")
    assert "Q4_K_M is a mixture" in capsys.readouterr().err
