"""A tiny model and an engine for each test."""

from __future__ import annotations

import pytest
from pestle import _core

from tests.oracle import checkpoints, gguf_file

from .feeding import CASE


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> _core.Model:
    path = tmp_path_factory.mktemp("engine") / "tiny.gguf"
    gguf_file.write(path, CASE, checkpoints.weights(CASE), "Q8_0")
    return _core.Model(path, threads=1)


@pytest.fixture
def engine(model: _core.Model) -> _core.Engine:
    return _core.Engine(model, n_ctx=200, threads=1)


@pytest.fixture(scope="session")
def window() -> int:
    return 100


@pytest.fixture(scope="session")
def windowed(tmp_path_factory: pytest.TempPathFactory, window: int) -> _core.Model:
    from .parts import parts
    p = parts("llama-tied")
    p.metadata["attention.sliding_window"] = window
    return _core.Model(p.write(tmp_path_factory.mktemp("w") / "w.gguf"), threads=1)
