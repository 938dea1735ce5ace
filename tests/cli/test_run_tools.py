"""`pestle run --tools`: the calls of one answer, printed and not run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pestle.results import ToolCall

from .conftest import Pestle
from .fakes import FakeLLM

TOOLS = [{"name": "f", "parameters": {"type": "object"}}]


@pytest.fixture
def tools(tmp_path: Path) -> str:
    path = tmp_path / "tools.json"
    path.write_text(json.dumps(TOOLS), encoding="utf-8")
    return str(path)


def test_calls_are_lines_of_json(pestle: Pestle, llm: FakeLLM, tools: str) -> None:
    llm.calls = (ToolCall("f", '{"a": "caf\u00e9"}'), ToolCall("python", "x = 1", builtin=True))
    llm.answers = [""]
    result = pestle("run", "Hi", "--tools", tools)
    assert (result.exit_code, result.stderr) == (0, "")
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {"name": "f", "arguments": {"a": "caf\u00e9"}},
        {"name": "python", "arguments": "x = 1"},
    ]
    assert llm.asked[0][1]["tools"] == (TOOLS[0],)


@pytest.mark.parametrize(
    ("word", "choice"),
    [
        ("required", "required"),
        ("none", "none"),
        ("f", {"type": "function", "function": {"name": "f"}}),
    ],
)
def test_what_has_to_be_called(
    pestle: Pestle, llm: FakeLLM, tools: str, word: str, choice: Any
) -> None:
    assert pestle("run", "Hi", "--tools", tools, "--tool-choice", word).exit_code == 0
    assert llm.asked[0][1]["tool_choice"] == choice


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--raw", "--tools"), "--raw has no chat, so --tools has no place"),
        (("--session", "x", "--tools"), "--tools and --session exclude each other here"),
        (("--tool-choice",), "--tool-choice needs --tools"),
    ],
)
def test_what_has_no_place(
    pestle: Pestle, llm: FakeLLM, tools: str, flags: tuple[str, ...], message: str
) -> None:
    result = pestle("run", "Hi", *flags, tools)
    assert (result.exit_code, llm.asked) == (2, [])
    assert message in result.stderr
