"""What a conversion takes in memory is known before it begins, and what does not fit is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from pestle.conversion import Target, convert
from pestle.conversion.options import ConversionOptions
from pestle.conversion.plan import open_source, plan_conversion
from pestle.errors import ArgumentError, MemoryLimitError
from pestle.tensors.footprint import piece_bytes

from tests.oracle import checkpoint_folder, checkpoints
from tests.oracle.checkpoints import CASES

MB = 10**6
TEXT = "abcd" * 300


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In a process that holds 60 MB, whatever the tests' own does."""
    monkeypatch.setattr("pestle.memory.resident", lambda: 60 * MB)
    case = CASES["qwen3moe-256"]
    return checkpoint_folder.write(tmp_path / "source", case, checkpoints.weights(case))


def test_smaller_pieces_take_less(source: Path) -> None:
    plan = plan_conversion(open_source(source), ConversionOptions("Q8_0")).tensors
    sizes = [piece_bytes(plan.in_pieces(n)) for n in (1 << 24, 1 << 16, 1 << 12)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[2] < sizes[0]
    for job in plan.in_pieces(1 << 12).jobs.values():
        ranges = list(job.pieces())
        assert [begin for begin, _ in ranges] == [0, *(end for _, end in ranges[:-1])]
        assert ranges[-1][1] == job.rows


def test_the_sum_and_what_would_do(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.gguf"
    with pytest.raises(MemoryLimitError, match=r"source: .* needed, and there are 90\.0 MB: prog"):
        convert(source, out, to="Q8_0", memory=90 * MB)
    assert not out.exists()
    made = convert(source, out, to="Q8_0", memory="130MB")
    assert made.manifest == convert(source, tmp_path / "free.gguf", to="Q8_0").manifest
    with pytest.raises(ArgumentError, match="memory: 'much' is not a size"):
        convert(source, out, memory="much")


def test_a_vocabulary_is_not_read_first(source: Path, tmp_path: Path) -> None:
    with (source / "tokenizer.json").open("ab") as file:
        file.write(b" " * 10 * MB)
    with pytest.raises(MemoryLimitError, match=r"program 62\.9 MB, reading the vocabulary 360 MB"):
        convert(source, tmp_path / "out.gguf", memory=400 * MB)


def test_a_model_that_has_to_be_run(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused before it is written in BF16, by the name of its source."""
    monkeypatch.setattr("pestle.quantization.budget.probing._PROBED", 1000)  # as if it were large
    target = Target(bpw=6, text=TEXT)
    with pytest.raises(MemoryLimitError, match=r"source in BF16: .*results"):
        convert(source, tmp_path / "out.gguf", to=target, memory=200 * MB)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]
    convert(source, tmp_path / "out.gguf", to=target, memory="1GB")
