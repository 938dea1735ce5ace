"""What the core relies on: checked and named in builds with sanitizers, absent from others."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = (
    "cpp/core/assume.cpp",
    "cpp/core/buffer.cpp",
    "cpp/kernels/panels.cpp",
    "tests/native/assumptions.cpp",
)
FLAGS = ["-std=c++20", "-O0", f"-I{ROOT / 'cpp'}", f"-I{ROOT / 'cpp/kernels/scalar'}"]
FLAGS += ["-DPESTLE_ISA_NAMESPACE=scalar", "-DPESTLE_NO_UNROLL"]
CHECKED = "PESTLE_CHECK_ASSUMPTIONS"


def _build(target: Path, *flags: str) -> Path:
    sources = [str(ROOT / source) for source in SOURCES]
    subprocess.run(["g++", *FLAGS, *flags, *sources, "-o", str(target)], check=True)
    return target


def _run(target: Path, broken: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([target, broken], capture_output=True, text=True, check=False)


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_a_broken_assumption_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    checked = _build(tmp_path / "checked", f"-D{CHECKED}")
    kept = _run(checked, "none")
    assert (kept.returncode, kept.stdout, kept.stderr) == (0, "1\n", "")
    for broken, file, condition in (
        ("row", "cpp/model/rows.h", "i >= 0 && i < n_rows"),
        ("columns", "cpp/kernels/panels.cpp", "a.columns % kBlockColumns == 0"),
        ("range", "cpp/kernels/panels.cpp", "end <= panel_groups("),
        ("scope", "cpp/core/arena.h", "taken <= taken_"),
    ):
        done = _run(checked, broken)
        assert done.returncode < 0, broken  # ended by a signal
        first = done.stderr.splitlines()[0]
        assert file in first, first
        assert "this must hold:" in first, first
        assert condition in first, first


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_other_builds_check_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    unchecked = _build(tmp_path / "unchecked")
    done = _run(unchecked, "row")  # the arena has room for a third row
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


def test_builds_with_sanitizers_check() -> None:
    """CMake defines it there, and nowhere else."""
    lines = (ROOT / "CMakeLists.txt").read_text().splitlines()
    start = lines.index("if(PESTLE_SANITIZE)")
    inside = lines[start : lines.index("endif()", start)]
    defining = [line for line in inside if CHECKED in line]
    assert defining == [line for line in lines if CHECKED in line]
    assert len(defining) == 1
    assert "add_compile_definitions" in defining[0]
