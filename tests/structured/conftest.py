"""A model of each format, made once."""

from __future__ import annotations

from functools import cache

import pytest
from pestle import LLM

from .babblers import Babbler, babbler


@pytest.fixture(scope="session")
def babbles(tmp_path_factory: pytest.TempPathFactory) -> Babbler:
    """babbles(family, threads=1): an LLM with random weights that speaks its format."""
    path = tmp_path_factory.mktemp("babblers") / "tiny.gguf"

    @cache
    def make(family: str, threads: int = 1) -> LLM:
        return babbler(path, family, threads)

    return make
