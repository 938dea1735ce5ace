"""The parser alone, under sanitizers, on buffers of exactly a case's size."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest
from fuzzing.coverage import sources
from fuzzing.findings import ROOT
from fuzzing.header_cases import KIND, seeds

CASES = 3000
FLAGS = ["-std=c++20", "-O1", "-g1", "-DPESTLE_REPLAY", "-fno-sanitize-recover=all"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_exact_buffers_under_sanitizers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    target = tmp_path / "target"
    command = ["g++", *FLAGS, "-fsanitize=address,undefined", f"-I{ROOT / 'cpp'}"]
    subprocess.run([*command, *map(str, sources()), "-o", str(target)], check=True)

    cuts = [seed[:length] for seed in seeds() for length in range(len(seed) + 1)]
    files = cuts + [KIND.case("gguf-header", seed) for seed in range(CASES)]
    with (tmp_path / "cases").open("w+b") as cases:
        for content in files:
            cases.write(struct.pack("<I", len(content)) + content)
        cases.seek(0)
        done = subprocess.run([target], stdin=cases, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == len(files)
