"""Reasoning on the command line: the switches, and what a terminal shows of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pestle.cli import answering
from pestle.cli.chat_options import ChatSettings
from pestle.cli.console import Console
from pestle.cli.dialogue import Dialogue
from pestle.results import ToolCall

from .conftest import Pestle
from .fakes import ANSWER, FakeLLM
from .test_console import Terminal  # type: ignore[attr-defined]

Use = Callable[[FakeLLM], FakeLLM]
QUESTION = "What is the capital of France?"
THOUGHT = "France? Paris."


@pytest.fixture
def thinker(use: Use) -> FakeLLM:
    """A model that thinks before it answers."""
    llm = use(FakeLLM(template="{{ enable_thinking }}"))
    llm.thought = THOUGHT
    return llm


def on_terminal(
    llm: FakeLLM, monkeypatch: pytest.MonkeyPatch, *, colours: bool, **options: Any
) -> str:
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("WT_SESSION", "1")
    if not colours:
        monkeypatch.setenv("NO_COLOR", "1")
    stream = Dialogue(llm, None, {}).ask(QUESTION)  # type: ignore[arg-type]
    answering.show(stream, Console(), **options)
    return screen.text()


def test_a_terminal_shows_thinking_faint(thinker: FakeLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    assert on_terminal(thinker, monkeypatch, colours=True) == (
        f"\x1b[2mFrance? Paris.\x1b[0m\n\n{ANSWER}\n"
    )


def test_without_colours_headings_tell_it_apart(
    thinker: FakeLLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = on_terminal(thinker, monkeypatch, colours=False)
    assert shown == f"Thinking:\n{THOUGHT}\n\nAnswer:\n{ANSWER}\n"


def test_a_thought_that_ends_its_line(thinker: FakeLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    thinker.thought = "Hm.\n"
    shown = on_terminal(thinker, monkeypatch, colours=False)
    assert shown == f"Thinking:\nHm.\n\nAnswer:\n{ANSWER}\n"


def test_thinking_may_be_hidden(thinker: FakeLLM, monkeypatch: pytest.MonkeyPatch) -> None:
    assert on_terminal(thinker, monkeypatch, colours=True, reasoning=False) == f"{ANSWER}\n"


def test_a_pipe_gets_the_answer_alone(pestle: Pestle, thinker: FakeLLM) -> None:
    result = pestle("run", "-p", QUESTION)
    assert (result.stdout, result.stderr) == (f"{ANSWER}\n", "")


def test_json_has_every_part(pestle: Pestle, thinker: FakeLLM) -> None:
    thinker.calls = (ToolCall("f", '{"a": 1}'),)
    thinker.warnings = ("odd",)
    data = json.loads(pestle("run", "--json", "-p", QUESTION).stdout)
    assert data["text"] == ANSWER
    assert data["reasoning"] == THOUGHT
    assert data["tool_calls"] == [
        {"name": "f", "arguments": '{"a": 1}', "builtin": False, "id": ""}
    ]
    assert data["warnings"] == ["odd"]


def test_calls_and_warnings_are_noted(pestle: Pestle, thinker: FakeLLM) -> None:
    thinker.calls = (ToolCall("f", '{"a": 1}'),)
    thinker.warnings = ("odd", "odd")
    result = pestle("run", "-p", QUESTION)
    assert result.stdout == f"{ANSWER}\n"
    assert result.stderr == ('The model calls f({"a": 1})\nWarning: odd\n')


def test_switches_arrive(pestle: Pestle, thinker: FakeLLM, tmp_path: Path) -> None:
    template = tmp_path / "own.jinja"
    template.write_text("{{ own }}", encoding="utf-8")
    flags = "--reasoning off --reasoning-effort low --reasoning-budget 5 --hide-reasoning"
    result = pestle(
        "run", "-p", "x", *flags.split(), "--chat-template-file", str(template),
        "--chat-template-kwargs", '{"own": [1]}',
    )  # fmt: skip
    assert result.exit_code == 0
    assert thinker.asked[0][1] == {
        "reasoning": False, "reasoning_effort": "low", "reasoning_budget": 5,
    }  # fmt: skip
    assert thinker.template_args == {"own": [1]}
    assert thinker.loaded_with.chat_template == "{{ own }}"


def test_a_template_of_the_model_arrives_by_its_name(pestle: Pestle, thinker: FakeLLM) -> None:
    assert pestle("run", "-p", "x", "--chat-template", "rag").exit_code == 0
    assert thinker.loaded_with.chat_template == "rag"


def test_auto_asks_for_nothing(pestle: Pestle, thinker: FakeLLM) -> None:
    assert pestle("run", "-p", "x", "--reasoning", "auto").exit_code == 0
    assert thinker.asked[0][1] == {}


@pytest.mark.parametrize("flags", ["--reasoning on", "--reasoning-budget 3"])
def test_a_switch_that_the_model_does_not_have(pestle: Pestle, llm: FakeLLM, flags: str) -> None:
    result = pestle("run", "-p", "x", *flags.split())
    assert result.stderr == (
        "pestle: error: Fake 1B has no switch for reasoning (see `pestle run -h`)\n"
    )
    assert (result.stdout, result.exit_code) == ("", 2)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--reasoning", "maybe"], "'maybe' is not one of 'on', 'off', 'auto'"),
        (["--reasoning-effort", "huge"], "'huge' is not one of 'low', 'medium', 'high'"),
        (["--reasoning-budget", "-1"], "-1 is out of range"),
        (["--chat-template-kwargs", "[1]"], "it is an array, expected a JSON object, as in"),
        (["--chat-template-kwargs", "{"], "it is not valid JSON: "),
        (["--chat-template-kwargs", "[" * 100_000], "it is nested deeper than 128 levels, as in"),
        (["--chat-template-kwargs", '{"a": NaN}'], "NaN is not a number in JSON, as in"),
        (["--chat-template-file", "/no/such.jinja"], "--chat-template-file: /no/such.jinja: "),
        (
            ["--chat-template", "a", "--chat-template-file", "b"],
            "--chat-template and --chat-template-file exclude each other",
        ),
        (["--raw", "--reasoning", "on"], "--raw has no chat: its options have no place"),
    ],
)
def test_what_makes_no_sense(pestle: Pestle, llm: FakeLLM, flags: list[str], words: str) -> None:
    result = pestle("run", "-p", "x", *flags)
    assert words in result.stderr
    assert (result.exit_code, llm.asked) == (2, [])


def test_a_dialogue_keeps_its_settings(thinker: FakeLLM) -> None:
    settings = ChatSettings(reasoning_budget=7, template_args={"a": 1})
    dialogue = Dialogue(thinker, None, {"seed": 3}, settings)  # type: ignore[arg-type]
    dialogue.ask("Hi").result()
    dialogue.set_thinking(False)
    dialogue.ask("Hi").result()
    assert thinker.asked[0][1] == {"seed": 3, "reasoning_budget": 7}
    assert thinker.asked[1][1] == {"seed": 3, "reasoning_budget": 7, "reasoning": False}
    assert thinker.template_args == {"a": 1}
