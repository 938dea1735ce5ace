"""A tiny model and an engine for each test."""

from __future__ import annotations

import pytest
from pestle import _core

from tests.oracle import checkpoints, gguf_file

from .feeding import CASE
from .parts import windowed_parts


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
    """Of every second layer of `windowed`: no multiple of a page."""
    return 100


@pytest.fixture(scope="session")
def windowed(tmp_path_factory: pytest.TempPathFactory, window: int) -> _core.Model:
    """Gemma 3 in small: a layer with a window, a layer that sees all."""
    path = tmp_path_factory.mktemp("windows") / "tiny.gguf"
    return _core.Model(windowed_parts(window).write(path), threads=1)
