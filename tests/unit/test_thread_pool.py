"""The thread pool alone, under ThreadSanitizer: no race, no item left out or worked on twice."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = ("cpp/core/thread_pool.cpp", "tests/native/thread_pool.cpp")


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_every_item_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    flags = ["-std=c++20", "-O1", "-g1", "-pthread", "-fsanitize=thread", f"-I{ROOT / 'cpp'}"]
    target = tmp_path / "target"
    sources = [str(ROOT / source) for source in SOURCES]
    subprocess.run(["g++", *flags, *sources, "-o", str(target)], check=True)
    done = subprocess.run([target], capture_output=True, text=True, check=False)
    if "unexpected memory mapping" in done.stderr:
        pytest.skip("this compiler's ThreadSanitizer does not know this kernel's addresses")
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == 3000
