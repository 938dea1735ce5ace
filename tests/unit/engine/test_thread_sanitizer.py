"""An engine that threads share, under ThreadSanitizer: no race, and the bits of one thread."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.oracle import checkpoints, gguf_file
from tests.oracle.checkpoints import CASES

from .parts import windowed_parts

ROOT = Path(__file__).resolve().parent.parent.parent.parent
BUILD = ROOT / "build" / "threads"
FLAGS = (
    "-DPESTLE_SANITIZE=thread",
    "-DPESTLE_SCALAR_ONLY=ON",
    "-DPESTLE_BUILD_PYTHON=OFF",
    "-DPESTLE_BUILD_NATIVE_TESTS=ON",
    "-DCMAKE_CXX_COMPILER=g++",
    "-DCMAKE_BUILD_TYPE=None",
    "-DCMAKE_CXX_FLAGS=-O1 -g1",
)


@pytest.mark.skipif(
    "PESTLE_TEST_THREADS" not in os.environ, reason="builds the core; tools/sanitize runs it"
)
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
@pytest.mark.skipif(shutil.which("ninja") is None, reason="needs cmake and ninja")
@pytest.mark.parametrize("streams", [False, True])
def test_threads_share_an_engine(
    streams: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    subprocess.run(["cmake", "-S", ROOT, "-B", BUILD, "-G", "Ninja", *FLAGS], check=True)
    subprocess.run(["cmake", "--build", BUILD, "--target", "engine"], check=True)
    model = tmp_path / "tiny.gguf"
    if streams:
        # Four threads that read, and less room than a token asks for.
        case = CASES["qwen3moe-yarn"]
        gguf_file.write(model, case, checkpoints.weights(case), "Q8_0")
    else:
        # Layers with a window and layers without: two groups of pages.
        windowed_parts(40).write(model)
    driver = BUILD / "tests" / "native" / "engine"
    done = subprocess.run(
        [driver, model, "4", "60", *(["5"] if streams else [])],
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    if "unexpected memory mapping" in done.stderr:
        pytest.skip("this compiler's ThreadSanitizer does not know this kernel's addresses")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 60
