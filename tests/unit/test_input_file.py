"""What a file system can answer, a network's among them, in the middle of a file."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = "0123456789"
pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("native") / "input_file"
    sources = [ROOT / "cpp/core" / name for name in ("input_file.cpp", "text.cpp")]
    command = ["g++", "-std=c++20", "-Dpread=told_pread", f"-I{ROOT / 'cpp'}", "-o", str(target)]
    subprocess.run(
        [*command, *map(str, sources), str(ROOT / "tests/native/input_file.cpp")], check=True
    )
    return target


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ("", TEXT),
        ("i1ii11", TEXT),
        ("1111111111", TEXT),
        ("11e", "Input/output error"),
        ("s", "Stale file handle"),
        ("i1n", "Transport endpoint is not connected"),
        ("110", "the file was cut while it was in use"),
    ],
)
def test_answers(driver: Path, tmp_path: Path, answers: str, expected: str) -> None:
    path = tmp_path / "data"
    path.write_text(TEXT, encoding="ascii")
    done = subprocess.run(
        [driver, path, answers, str(len(TEXT))], capture_output=True, text=True, check=True
    )
    assert done.stdout == (TEXT if expected == TEXT else f"error: {path}: {expected}")
