"""`--unknown-characters`, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pestle.errors import UnknownCharacterError

from .conftest import Pestle
from .fakes import FakeLLM

Use = Callable[[FakeLLM], FakeLLM]

REFUSED = (
    "the model's vocabulary cannot express the character U+0006; "
    "unknown_characters='replace' reads another in its place"
)


def test_the_error_names_the_option(pestle: Pestle, use: Use) -> None:
    use(FakeLLM(error=UnknownCharacterError(REFUSED)))
    result = pestle("run", "Hi")
    assert result.exit_code == 1
    assert result.stderr == (
        "pestle: error: the model's vocabulary cannot express the character U+0006; "
        "--unknown-characters replace reads another in its place\n"
    )


@pytest.mark.parametrize("command", ["run", "chat"])
def test_it_reaches_the_model(pestle: Pestle, llm: FakeLLM, command: str) -> None:
    assert pestle(command, "--unknown-characters", "replace", stdin="Hi").exit_code == 0
    assert llm.loaded_with.unknown_characters == "replace"
    assert pestle(command, stdin="Hi").exit_code == 0
    assert llm.loaded_with.unknown_characters == "error"


def test_what_was_replaced_is_told(pestle: Pestle, llm: FakeLLM) -> None:
    llm.warnings = ("1 character of the prompt is not in the vocabulary and read as U+FFFD",)
    result = pestle("run", "Hi")
    assert result.stderr == (
        "Warning: 1 character of the prompt is not in the vocabulary and read as U+FFFD\n"
    )
