"""Headers of published shapes, whose data is a hole."""

from __future__ import annotations

from pathlib import Path

import pytest
from pestle import _core

from tests.unit.test_kv_memory import header


@pytest.fixture
def dense(tmp_path: Path) -> _core.GgufFile:
    return _core.GgufFile(header(tmp_path / "dense.gguf", "qwen3-4b"))


@pytest.fixture
def sparse(tmp_path: Path) -> _core.GgufFile:
    return _core.GgufFile(header(tmp_path / "sparse.gguf", "qwen3-30b-a3b"))
