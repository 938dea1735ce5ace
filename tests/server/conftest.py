"""Servers of models made of Python."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pestle import LLM
from pestle.server import create_app

from tests.server.serving import Client, serving
from tests.unit.llm.conftest import llm, make_llm  # noqa: F401  (fixtures)
from tests.unit.sessions.models import write


@pytest.fixture
def serve() -> Iterator[Callable[..., Client]]:
    """Serve models; keywords are those of `create_app`."""
    with ExitStack() as servers:

        def start(models: Any, **options: Any) -> Client:
            return servers.enter_context(serving(create_app(models, **options)))

        yield start


@pytest.fixture
def tiny_with_bos(tmp_path: Path) -> Iterator[LLM]:
    """The core's engine; its file wants a token before each text."""
    keys = {"tokenizer.ggml.bos_token_id": 257, "tokenizer.ggml.add_bos_token": True}
    path = write(tmp_path / "tiny.gguf", keys=keys)
    with LLM(path, threads=1) as model:
        yield model


@pytest.fixture
def says(make_llm: Callable[..., LLM], serve: Callable[..., Client]) -> Callable[..., Client]:  # noqa: F811
    """A server of a model that gives one answer to everything; keywords are the model's."""
    return lambda answer, **made: serve(make_llm(answer, **made))
