"""A mixture of experts that is larger than the interpreter that runs it."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthetic import gguf_file, vocabulary
from synthetic.shapes import Experts, Shape

from tests.unit.sessions.models import write

# 3.3 MB an expert, 317 MB all of them; the rest takes 25 MB.
SHAPE = Shape(
    "qwen3moe", 1024, 1024, 3, 8, 2, 128, 512, 4096, 1e6, 1e-6, experts=Experts(32, 4, 1024)
)


@pytest.fixture(scope="session")
def mixture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its file, of which the page cache holds nothing."""
    folder = tmp_path_factory.mktemp("mixture")
    tokenizer = vocabulary.read(write(folder / "tokenizer.gguf"))
    path = folder / "mixture.gguf"
    gguf_file.write(path, SHAPE, "Q8_0", tokenizer, pure=True)
    return path
