"""avx512amx, with its tile instructions emulated: the bits of avx512vnni."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from pestle import _core

from .conftest import ROOT

SET = ["-mavx2", "-mfma", "-mf16c", "-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq"]
SET += ["-mavx512vnni", "-DPESTLE_ISA_NAMESPACE=emulated"]
SET += [f"-I{ROOT / 'cpp/kernels/avx512vnni'}", "-include", "tests/native/emulated_tiles.h"]
FLAGS = ["-std=c++20", "-O1", "-ffp-contract=off", "-Wno-psabi", f"-I{ROOT / 'cpp'}"]


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
@pytest.mark.skipif("avx512vnni" not in _core.isas(), reason="needs AVX-512 VNNI")
def test_products_on_tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LD_PRELOAD", raising=False)
    # Those of pip and of CONTRIBUTING.md; others are of sanitizers or for other machines.
    libraries = [*ROOT.glob("build/cp*/libpestle.a"), *ROOT.glob("build/dev/libpestle.a")]
    newest = max(path.stat().st_mtime for path in (ROOT / "cpp").rglob("*.*"))
    libraries = [path for path in libraries if path.stat().st_mtime >= newest]
    if not libraries:
        pytest.skip("needs a build of the core in build/, newer than cpp/")
    library = max(libraries, key=lambda path: path.stat().st_mtime)
    kernel, target = tmp_path / "kernel.o", tmp_path / "tiles"

    def compile_with(*arguments: str | Path) -> None:
        subprocess.run(["g++", *FLAGS, *map(str, arguments)], cwd=ROOT, check=True)

    compile_with(*SET, "-c", "cpp/kernels/avx512amx/gemm.cpp", "-o", kernel)
    compile_with("tests/native/tiles.cpp", kernel, library, "-pthread", "-o", target)
    done = subprocess.run([target], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == 2 * 10 * 13  # sets of bits, numbers of rows, formats of integers
