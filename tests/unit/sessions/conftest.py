"""A tiny model, and folders of its own for what is saved."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pestle import LLM

from . import models


@pytest.fixture(autouse=True)
def own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PESTLE_DATA", "PESTLE_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))


@pytest.fixture(scope="session")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return models.write(tmp_path_factory.mktemp("tiny") / "tiny.gguf")


@pytest.fixture(scope="session")
def thinker_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a window of 100 in one layer; its template leaves earlier reasoning out."""
    path = tmp_path_factory.mktemp("thinker") / "thinker.gguf"
    return models.write(path, window=100, template=models.THINKING)


@pytest.fixture
def llm(model_path: Path) -> Iterator[LLM]:
    with LLM(model_path, threads=1, seed=3) as loaded:
        yield loaded
