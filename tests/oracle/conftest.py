"""The files of the tiny checkpoints, each written once in a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from . import expected, gguf_file
from .checkpoints import CASES

TinyFile = Callable[..., Path]


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory: pytest.TempPathFactory) -> TinyFile:
    """tiny_file(case name, type of the matrices, widen=False): the path of that GGUF file."""
    folder = tmp_path_factory.mktemp("tiny")

    def path(name: str, type_name: str = "F32", *, widen: bool = False) -> Path:
        file = folder / f"{name}.{type_name}{'.widened' if widen else ''}.gguf"
        if not file.exists():
            parameters, _, _ = expected.load(CASES[name])
            gguf_file.write(file, CASES[name], parameters, type_name, widen=widen)
        return file

    return path
