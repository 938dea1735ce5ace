"""`pestle chat --tools`: calls are shown and confirmed, carried out, and answered."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from pestle.chat.rounds import REFUSED
from pestle.cli import chat, tool_calls
from pestle.cli.console import Console
from pestle.cli.dialogue import Dialogue
from pestle.cli.tool_calls import Approval
from pestle.results import ToolCall

from .conftest import Pestle
from .fakes import ANSWER, FakeLLM

MODULE = '''
"""Tools for a test."""
from pathlib import Path

def add(a: int, b: int = 1) -> int:
    """Adds."""
    return a + b

def stop() -> None:
    raise KeyboardInterrupt

def _hidden() -> None: ...
'''
ADD = ToolCall("add", '{"a": 2}')


@pytest.fixture
def module(tmp_path: Path) -> str:
    path = tmp_path / "sums.py"
    path.write_text(MODULE, encoding="utf-8")
    return str(path)


class Lines:
    """What the person types, and what was asked."""

    def __init__(self, *lines: str) -> None:
        self.lines = list(lines)
        self.questions: list[str] = []

    def __call__(self, question: str) -> str:
        self.questions.append(question)
        return self.lines.pop(0)


class Once:
    """One message, then the end."""

    discarded = False

    def __init__(self) -> None:
        self._messages = ["Hi"]

    def read(self) -> str:
        if not self._messages:
            raise EOFError
        return self._messages.pop()


def talk(
    llm: FakeLLM, tools: list[Any], ask: Callable[[str], str], *, allowed: bool = False
) -> list[dict[str, Any]]:
    dialogue = Dialogue(llm, None, {}, tools=tools)  # type: ignore[arg-type]
    console = Console(quiet=True)
    chat.converse(dialogue, Once(), console, Approval(console, allowed=allowed, ask=ask))
    return dialogue.conversation.messages


def results(messages: list[dict[str, Any]]) -> list[str]:
    return [message["content"] for message in messages if message["role"] == "tool"]


def test_a_call_is_confirmed_and_carried_out(
    module: str, capsys: pytest.CaptureFixture[str]
) -> None:
    llm = FakeLLM("Let me see.", "It is 3.")
    llm.rounds = [(ADD, ToolCall("add", '{"a": 5}'))]
    ask = Lines("y", "n")
    messages = talk(llm, tool_calls.load(module), ask)
    assert ask.questions == [
        'Run add({"a": 2})? [y]es, [n]o, [a]ll: ',
        'Run add({"a": 5})? [y]es, [n]o, [a]ll: ',
    ]
    assert results(messages) == ["3", REFUSED]
    assert messages[-1] == {"role": "assistant", "content": "It is 3."}
    assert capsys.readouterr().out == "Let me see.\nIt is 3.\n"


@pytest.mark.parametrize(("line", "allowed"), [("a", False), ("", True)])
def test_all_may_be_allowed(module: str, line: str, allowed: bool) -> None:
    llm = FakeLLM()
    llm.rounds = [(ADD, ADD), (ADD,)]
    ask = Lines(line)
    assert results(talk(llm, tool_calls.load(module), ask, allowed=allowed)) == ["3"] * 3
    assert len(ask.questions) == (0 if allowed else 1)


def test_described_tools_are_answered_by_the_person(tmp_path: Path) -> None:
    path = tmp_path / "tools.json"
    path.write_text(json.dumps([{"name": "ask", "parameters": {}}]), encoding="utf-8")
    llm = FakeLLM()
    llm.rounds = [(ToolCall("ask", "{}"), ToolCall("other", "{}"))]
    ask = Lines("Tuesday")
    messages = talk(llm, tool_calls.load(str(path)), ask)
    assert ask.questions == ["The result of ask: "]
    assert results(messages) == ["Tuesday", "error: there is no tool 'other'; known: none"]


def test_an_interrupt_leaves_no_call_without_a_result(
    module: str, capsys: pytest.CaptureFixture[str]
) -> None:
    llm = FakeLLM()
    llm.rounds = [(ADD, ToolCall("stop", "{}"))]
    messages = talk(llm, tool_calls.load(module), Lines(), allowed=True)
    assert results(messages) == [REFUSED, REFUSED]
    assert messages[-1]["role"] == "tool"


def test_without_tools_a_call_is_only_shown(capsys: pytest.CaptureFixture[str]) -> None:
    llm = FakeLLM()
    llm.rounds = [(ADD,)]
    messages = talk(llm, [], Lines())
    assert [message["role"] for message in messages] == ["user", "assistant"]


def test_rounds_have_an_end(module: str) -> None:
    llm = FakeLLM()
    llm.rounds = [(ADD,)] * 40
    messages = talk(llm, tool_calls.load(module), Lines(), allowed=True)
    assert len(results(messages)) == tool_calls.MOST_ROUNDS


def test_functions_of_a_module(module: str) -> None:
    names = [getattr(tool, "__name__", None) for tool in tool_calls.load(module)]
    assert names == ["add", "stop"]
    assert tool_calls.load(None) == []


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.py", "x = 1", "holds no tools"),
        ("a.py", "1 / 0", "ZeroDivisionError: division by zero"),
        ("a.json", "{}", "is not a JSON list of tools"),
        ("a.json", "[", r"a\.json is not valid JSON: "),
        ("a.json", "[" * 100_000, r"a\.json is not valid JSON: it is nested deeper than"),
        ("missing.json", None, r"^--tools: no file .*missing\.json$"),
        ("missing.py", None, r"^--tools: no file .*missing\.py$"),
        ("a.py", "open('none.txt')", r"a\.py: FileNotFoundError: .*none\.txt"),
    ],
)
def test_files_without_tools(tmp_path: Path, name: str, text: str | None, words: str) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(click.UsageError, match=words):
        tool_calls.load(str(path))


def test_a_pipe_confirms_nothing(pestle: Pestle, llm: FakeLLM, module: str) -> None:
    result = pestle("chat", "--tools", module, stdin="Hi")
    assert "--tools needs a terminal" in result.stderr
    assert (result.exit_code, llm.asked) == (2, [])


def test_a_line_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\r\n"))
    console = Console()
    assert (console.ask("Sure? "), console.ask("Sure? ")) == ("yes", "")
    assert capsys.readouterr().err == "Sure? Sure? "


def test_plain_answers_need_nobody(module: str) -> None:
    messages = talk(FakeLLM(), tool_calls.load(module), Lines())
    assert messages[-1]["content"] == ANSWER
