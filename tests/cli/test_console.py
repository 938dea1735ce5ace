"""Where text goes, and what a terminal is spared."""

from __future__ import annotations

import io
import json
import sys

import pytest
from pestle.cli.console import Console, coloured, dim
from pestle.cli.wrapping import WordWrap

from .screens import Terminal


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    screen = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("WT_SESSION", "1")
    return screen


def test_escape_sequences_do_not_reach_a_terminal(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "dumb")  # without wrapping
    Console().piece("a\x1b]0;title\x07b\r\n\tc\x9b1m\x7f", WordWrap())
    assert terminal.text() == "a\ufffd]0;title\ufffdb\n\tc\ufffd1m\ufffd"


def test_notes_and_questions_are_as_harmless(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may say what a model said: the name of a tool, its arguments."""
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    monkeypatch.setenv("NO_COLOR", "1")
    Console().note("a\x1b]0;b")
    assert Console().ask("c\x9b? ") == "y"
    assert terminal.text() == "a\ufffd]0;b\nc\\x9b? "


def test_a_pipe_gets_every_byte(capsys: pytest.CaptureFixture[str]) -> None:
    Console().piece("a\x1b[1mb", WordWrap())
    assert capsys.readouterr().out == "a\x1b[1mb"


def test_json_is_laid_out_for_a_person(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", terminal)
    Console().json({"a": "é"})
    assert terminal.text() == '{\n  "a": "é"\n}\n'


def test_json_is_a_line_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    Console().json({"a": ["é", 1]})
    assert capsys.readouterr().out == '{"a": ["é", 1]}\n'


def test_json_loses_nothing_to_an_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal("ascii")
    monkeypatch.setattr(sys, "stdout", screen)
    Console().json({"a": "é"})
    assert json.loads(screen.text()) == {"a": "é"}


def test_colours(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    assert dim("x", terminal) == "\x1b[2mx\x1b[0m"
    assert not coloured(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "")
    assert coloured(terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    assert dim("x", terminal) == "x"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not coloured(terminal)
