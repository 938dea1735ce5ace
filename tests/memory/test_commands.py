"""Commands that run or convert a model keep within --memory, change nothing by it, or refuse."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from control_group import ControlGroup, forget

from tests.oracle import checkpoint_folder
from tests.oracle.checkpoints import CASES

from .groups import control_group

SCRIPT = Path(__file__).with_name("run_command.py")
MB = 10**6
REFUSED = 4
TEXT = "The quick brown fox jumps over the lazy dog, and 1,000 others follow it.\n" * 20


def run(group: ControlGroup, *arguments: object, limit: int) -> tuple[int, str, str, int]:
    """A command of pestle's in a group: its exit code, what it printed, and its peak in bytes."""
    group.limit(limit // 4096 * 4096)
    command = [sys.executable, str(SCRIPT), "0", *map(str, arguments)]
    done = group.run([*command, "-t", "2"], timeout=300)
    said, _, peak = done.stderr.rpartition("\npeak ")
    assert peak, (done.returncode, done.stderr)  # not killed
    return done.returncode, done.stdout, said, int(peak)


@pytest.fixture
def text(tmp_path: Path) -> Path:
    path = tmp_path / "text.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.mark.slow
def test_reading_a_text(mixture: Path, text: Path, tmp_path: Path) -> None:
    """`eval` runs layers, `imatrix` streams experts, where all of the model does not fit."""
    out = tmp_path / "imatrix.gguf"
    gather = ("imatrix", mixture, "-f", text, "-o", out, "-c", 128, "--chunks", 3, "--json")
    measure = ("eval", mixture, "--texts", text, "-c", 128)
    for command, least in ((measure, 240 * MB), (gather, 150 * MB)):
        found = []
        for budget in (600 * MB, least):
            out.unlink(missing_ok=True)
            forget(mixture)
            with control_group(f"{command[0]}-{budget}") as group:
                code, said, told, peak = run(group, *command, "--memory", budget, limit=budget)
                assert code == 0, told
                assert group.hits == 0
                assert group.peak is None or group.peak <= budget
                assert peak <= budget
                found.append(said)
        assert found[0] == found[1]  # a table of figures, and the digest of a matrix
        out.unlink(missing_ok=True)
        with control_group(f"{command[0]}-refused") as group:
            code, _, told, _ = run(group, *command, "--memory", least // 2, limit=least)
        assert code == REFUSED, told
        assert "of memory are needed" in told
        assert "would do" in told


def sparse_checkpoint(folder: Path) -> Path:
    """620 MB of zeros that take no place on the disk, in BF16."""
    wide = {"hidden_size": 2048, "intermediate_size": 16_384, "num_hidden_layers": 3}
    case = replace(CASES["qwen3-256"], config={**CASES["qwen3-256"].config, **wide})
    checkpoint_folder.write_zeros(folder, case, "BF16")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("command", ["convert", "quantize"])
def test_converting(command: str, mixture: Path, tmp_path: Path) -> None:
    """The pieces are as small as the limit asks for, and the bytes are the same."""
    out = tmp_path / "out.gguf"
    source: tuple[object, ...] = (mixture, out, "Q4_0", "--allow-requantize")
    if command == "convert":
        source = (sparse_checkpoint(tmp_path / "source"), "-o", out, "--to", "Q8_0")
    found, peaks = [], []
    for budget in (600 * MB, 140 * MB):
        with control_group(f"{command}-{budget}") as group:
            arguments = (command, *source, "--overwrite", "--memory", budget)
            code, _, told, peak = run(group, *arguments, limit=max(budget, 200 * MB))
        assert code == 0, told
        assert peak <= budget
        found.append(hashlib.sha256(out.read_bytes()).hexdigest())
        peaks.append(peak)
    assert found[0] == found[1]
    assert peaks[1] < peaks[0]
    with control_group(f"{command}-refused") as group:
        arguments = (command, *source, "--overwrite", "--memory", 70 * MB)
        code, _, told, _ = run(group, *arguments, limit=200 * MB)
    assert code == REFUSED
    assert "pieces of tensors" in told


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA counts mappings on Linux")
@pytest.mark.slow
def test_without_root(mixture: Path, text: Path, tmp_path: Path) -> None:
    """Anonymous memory alone, which the system would refuse beyond the limit."""
    out = tmp_path / "imatrix.gguf"
    gather = ("imatrix", mixture, "-f", text, "-o", out, "-c", "128", "--chunks", "2")
    arguments = (*map(str, gather), "--memory", str(150 * MB), "-t", "2")
    command = [sys.executable, str(SCRIPT), str(400 * MB), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stderr.rpartition("\npeak ")[2]) <= 150 * MB
