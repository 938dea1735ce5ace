"""What the tests of the command line share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pestle.cli import loading, main

from .fakes import FakeLLM

Pestle = Callable[..., Result]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ctrl_c: None) -> None:
    """No setting of this machine reaches a test, and no test writes into its home."""
    for name in ("NO_COLOR", "PESTLE_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("XDG_STATE_HOME", "PESTLE_CACHE", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))


@pytest.fixture
def pestle() -> Pestle:
    """Run a command line; `stdin` is what a pipe on it holds."""

    def run(*arguments: str, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(main, list(arguments), input=stdin)

    return run


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable[[FakeLLM], FakeLLM]:
    """Put a model in place of those that the commands would load."""

    def replace(llm: FakeLLM) -> FakeLLM:
        def load(options: object, console: object) -> FakeLLM:
            llm.loaded_with = options
            return llm

        monkeypatch.setattr(loading, "load", load)
        return llm

    return replace


@pytest.fixture
def llm(use: Callable[[FakeLLM], FakeLLM]) -> FakeLLM:
    """A model that knows the capital of France."""
    return use(FakeLLM())
