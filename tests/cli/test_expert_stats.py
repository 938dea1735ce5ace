"""`--expert-stats`: which experts served how many tokens."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from .conftest import Pestle
from .fakes import FakeLLM


def test_counts_of_the_layers_that_have_experts(
    pestle: Pestle, llm: FakeLLM, tmp_path: Path
) -> None:
    llm.experts = np.array([[0, 0, 0], [5, 0, 7]], np.uint64)
    path = tmp_path / "experts.json"
    assert pestle("run", "-p", "x", "--expert-stats", str(path)).exit_code == 0
    assert json.loads(path.read_text()) == {
        "model": llm.path,
        "architecture": "llama",
        "n_layers": 2,
        "n_experts": 3,
        "layers": [{"layer": 1, "counts": [5, 0, 7]}],
    }
    assert [p.name for p in tmp_path.iterdir()] == ["experts.json"]


def test_what_streaming_has_read(pestle: Pestle, llm: FakeLLM, tmp_path: Path) -> None:
    llm.experts = np.ones((1, 4), np.uint64)
    llm.expert_traffic = SimpleNamespace(
        tokens=10, asked=40, hits=30, reads=11, read_bytes=11_000, stall_seconds=0.5,
        stall_bytes=10_000, guesses=20, right=15,
    )  # fmt: skip
    llm.model.expert_memory, llm.model.experts_past_cache = 8000, True
    llm.model.expert_read_rate = 0.0  # too little to measure
    path = tmp_path / "experts.json"
    assert pestle("run", "-p", "x", "--expert-stats", str(path)).exit_code == 0
    assert json.loads(path.read_text())["streaming"] == {
        "expert_memory": 8000,
        "past_cache": True,
        "probed_bytes_per_s": None,
        **vars(llm.expert_traffic),
    }


def test_written_even_if_the_answer_fails(pestle: Pestle, llm: FakeLLM, tmp_path: Path) -> None:
    llm.experts = np.ones((1, 2), np.uint64)
    llm.error = RuntimeError("the answer broke")
    path = tmp_path / "experts.json"
    assert pestle("run", "-p", "x", "--expert-stats", str(path)).exit_code != 0
    assert json.loads(path.read_text())["layers"] == [{"layer": 0, "counts": [1, 1]}]


def test_a_dense_model_has_none(pestle: Pestle, llm: FakeLLM, tmp_path: Path) -> None:
    path = tmp_path / "experts.json"
    result = pestle("run", "-p", "x", "--expert-stats", str(path))
    assert result.exit_code == 2
    assert "/models/fake.Q4_1.gguf has no experts to count" in result.stderr
    assert (llm.asked, list(tmp_path.iterdir())) == ([], [])


def test_a_place_that_cannot_be_written(pestle: Pestle, llm: FakeLLM, tmp_path: Path) -> None:
    llm.experts = np.ones((1, 2), np.uint64)
    path = tmp_path / "missing" / "experts.json"
    result = pestle("run", "-p", "x", "--expert-stats", str(path))
    assert (result.exit_code, llm.asked) == (1, [])  # before anything is computed
    assert result.stderr == f"pestle: error: {path}: No such file or directory\n"
