"""`pestle imatrix`, on a tiny mixture of experts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from pestle.cli import imatrix as cli
from pestle.conversion import convert
from pestle.quantization.importance import (
    Coverage,
    ExpertCoverage,
    Gathering,
    ImportanceMatrix,
    read_imatrix,
)

from tests.oracle import checkpoint_folder, checkpoints
from tests.oracle.checkpoints import CASES

from .conftest import Pestle

FOUND = Gathering(
    ImportanceMatrix({}, ("a.txt",), 1, 512),
    Coverage((ExpertCoverage(3, 8, 2, 1, 0, 1200), ExpertCoverage(4, 8, 0, 0, 40, 90)), (), 32),
    512,
)


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    case = CASES["qwen3moe-top1"]
    source = checkpoint_folder.write(tmp_path / "tiny", case, checkpoints.weights(case))
    Path("text.txt").write_text("abc" * 50)
    return convert(source, "tiny.gguf", to="F16").paths[0]


def test_what_is_said() -> None:
    assert cli.lines(FOUND) == [
        "0 tensors from 1 chunk of 512 tokens",
        "layer 3: 2 of 8 experts read fewer than 32 tokens, 1 none; the median is 1,200",
    ]
    missing = tuple(f"blk.{i}.x" for i in range(10))
    found = replace(FOUND, coverage=Coverage((), missing, 32))
    assert cli.lines(found)[1] == f"Nothing is known of {', '.join(missing[:8])} and 2 more"


def test_a_matrix(pestle: Pestle, model: Path) -> None:
    arguments = ("imatrix", "tiny.gguf", "-f", "text.txt", "-o", "m.gguf", "-c", "24")
    done = pestle(*arguments)
    assert (done.exit_code, done.stdout) == (0, "m.gguf\n")
    assert "tensors from 6 chunks of 24 tokens" in done.stderr
    found = read_imatrix("m.gguf")
    assert (found.datasets, found.chunks, found.chunk_size) == (("text.txt",), 6, 24)
    assert found.tensors["blk.0.ffn_down_exps.weight"].counts.sum() == 6 * 24  # one expert a token
    again = pestle(*arguments)
    assert again.exit_code == 1
    assert "m.gguf is there already; --overwrite replaces it" in again.stderr
    done = pestle(*arguments, "--overwrite", "--chunks", "2", "--json", "-q")
    said = json.loads(done.stdout)
    assert (said["sha256"], said["chunks"]) == (read_imatrix("m.gguf").digest, 2)
    assert [layer["n_experts"] for layer in said["experts"]] == [5, 5]
    assert done.stderr == ""


def test_failures(pestle: Pestle, model: Path) -> None:
    Path("latin1.txt").write_bytes(b"caf\xe9")
    done = pestle("imatrix", "tiny.gguf", "-f", "latin1.txt")
    assert (done.exit_code, "latin1.txt is not valid UTF-8" in done.stderr) == (1, True)
    done = pestle("imatrix", "tiny.gguf", "-f", "text.txt", "-c", "1")
    assert (done.exit_code, "1 is out of range: from 2 to 2^31 - 1" in done.stderr) == (2, True)
    done = pestle("imatrix", "tiny.gguf", "-f", "text.txt")
    assert (done.exit_code, "fewer than one chunk of 512" in done.stderr) == (1, True)
    assert not Path("imatrix.gguf").exists()
    done = pestle("imatrix", "tiny.gguf", "-f", "text.txt", "-o", "gone/m.gguf")
    assert (done.exit_code, "gone is not a folder" in done.stderr) == (1, True)


@pytest.mark.parametrize("source", ["tiny.gguf", "text.txt"])
def test_what_is_read_is_not_written_over(pestle: Pestle, model: Path, source: str) -> None:
    before = Path(source).read_bytes()
    Path("link").hardlink_to(source)
    for output in (source, "link"):
        result = pestle(
            "imatrix", model.name, "-f", "text.txt", "-c", "24", "-o", output, "--overwrite",
        )  # fmt: skip
        assert result.exit_code == 1
        assert f"{output} is the source itself, which is not replaced" in result.stderr
    assert Path(source).read_bytes() == before
