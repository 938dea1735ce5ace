"""The default model with its real weights, fetched as a user's first command would fetch it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pestle import LLM
from pestle.errors import DownloadError
from pestle.models import resolve


@pytest.fixture(scope="session")
def default_model() -> Path:
    """The default model's file."""
    try:
        return resolve()
    except DownloadError as error:
        pytest.skip(f"the default model cannot be had: {error}")


@pytest.fixture(scope="session")
def smollm(default_model: Path) -> Iterator[LLM]:
    """The default model, loaded once for all tests."""
    with LLM(default_model) as llm:
        yield llm
