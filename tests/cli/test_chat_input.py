"""The line on which a person types, by the bytes that a terminal sends."""

from __future__ import annotations

import signal
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pestle.cli import chat_input
from pestle.cli.chat_input import ChatInput, CommandCompleter, history_path, unquoted
from pestle.cli.console import Console
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

ENTER, ALT_ENTER, CTRL_C, CTRL_D, UP = "\r", "\x1b\r", "\x03", "\x04", "\x1b[A"
COMPLETER = CommandCompleter(
    {"/set": lambda: ("temp", "top-k", "top-p"), "/show": lambda: ("info",), "/bye": tuple},
    {"/set": "set", "/show": "show", "/bye": "leave"},
)
Reader = Callable[[], str]


@pytest.fixture
def keys() -> Iterator[PipeInput]:
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        yield pipe


@pytest.fixture
def source(keys: PipeInput) -> ChatInput:
    return ChatInput(Console(), COMPLETER, source=keys, screen=DummyOutput())


def test_enter_sends(keys: PipeInput, source: ChatInput) -> None:
    keys.send_text(f"Hello{ENTER}")
    assert source.read() == "Hello"


def test_enter_on_an_empty_line_does_nothing(keys: PipeInput, source: ChatInput) -> None:
    keys.send_text(f"{ENTER} {ENTER}a{ENTER}")
    assert source.read() == " a"


def test_alt_enter_begins_a_line(keys: PipeInput, source: ChatInput) -> None:
    keys.send_text(f"one{ALT_ENTER}  two{ENTER}")
    assert source.read() == "one\n  two"


def test_quotes_hold_several_lines(keys: PipeInput, source: ChatInput) -> None:
    keys.send_text(f'"""one{ENTER}two{ENTER}"""{ENTER}')
    assert source.read() == "one\ntwo"


def test_pasted_lines_are_one_message(keys: PipeInput, source: ChatInput) -> None:
    keys.send_text(f"\x1b[200~one\r\ntwo\n\tthree\n\x1b[201~{ENTER}")
    assert source.read() == "one\ntwo\n\tthree"


def test_up_brings_the_last_message_back(keys: PipeInput, source: ChatInput) -> None:
    keys.send_text(f"first{ENTER}")
    assert source.read() == "first"
    keys.send_text(f"{UP}!{ENTER}")
    assert source.read() == "first!"


def test_ctrl_c_and_ctrl_d(keys: PipeInput, source: ChatInput) -> None:
    keys.send_text(CTRL_C)
    with pytest.raises(KeyboardInterrupt):
        source.read()
    assert not source.discarded
    keys.send_text(f"half a message{CTRL_C}")
    with pytest.raises(KeyboardInterrupt):
        source.read()
    assert source.discarded
    keys.send_text(CTRL_D)  # type: ignore[unreachable]
    with pytest.raises(EOFError):
        source.read()


def test_history_is_private_and_lasts(keys: PipeInput, source: ChatInput) -> None:
    keys.send_text(f"secret{ENTER}")
    source.read()
    assert stat.S_IMODE(history_path().stat().st_mode) == 0o600
    assert "secret" in history_path().read_text(encoding="utf-8")


def test_history_that_cannot_be_kept(
    keys: PipeInput, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    source = ChatInput(Console(), COMPLETER, source=keys, screen=DummyOutput())
    place = tmp_path / "file" / "pestle" / "chat_history"
    assert capsys.readouterr().err == (
        f"The history of this chat is not kept: {place}: Not a directory\n"
    )
    keys.send_text(f"Hello{ENTER}")
    assert source.read() == "Hello"


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("where", ["a task", "a callback", "the key that ends it"])
def test_a_signal_that_comes_while_the_line_is_read(
    where: str, keys: PipeInput, source: ChatInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line ends in order, and then the signal is dealt with: prompt_toolkit never sees it."""

    def unwind(number: int, frame: object) -> None:
        raise SystemExit(128 + number)

    def come(*_: object) -> list[str]:
        signal.raise_signal(signal.SIGTERM)
        return []

    before = signal.signal(signal.SIGTERM, unwind)
    try:
        if where == "a task":
            monkeypatch.setattr(FileHistory, "load_history_strings", come)
            keys.send_text("Hel")
        elif where == "a callback":
            monkeypatch.setattr(CommandCompleter, "get_completions", come)
            keys.send_text("/s")
        else:
            monkeypatch.setattr(chat_input, "is_open", come)
            keys.send_text(f"Hello{ENTER}")
        with pytest.raises(SystemExit) as left:
            source.read()
        assert left.value.code == 128 + signal.SIGTERM
        assert signal.getsignal(signal.SIGTERM) is unwind
    finally:
        signal.signal(signal.SIGTERM, before)
    monkeypatch.undo()
    keys.send_text(f"again{ENTER}")
    assert source.read().endswith("again")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ('"""a\n"""', "a"),
        ('"""\n  a\n\nb\n"""\n', "  a\n\nb"),
        ('""""""', ""),
        ('Explain: """a"""', 'Explain: """a"""'),
        ("  a  ", "  a"),
    ],
)
def test_unquoted(typed: str, meant: str) -> None:
    assert unquoted(typed) == meant


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("/s", ["/set", "/show"]),
        ("/set ", ["temp", "top-k", "top-p"]),
        ("/set to", ["top-k", "top-p"]),
        ("/set temp ", []),
        ("hello /s", []),
        ("a\n/s", []),
        ("/foo x", []),
    ],
)
def test_completion(typed: str, offered: list[str]) -> None:
    found = COMPLETER.get_completions(Document(typed), CompleteEvent())
    assert [completion.text for completion in found] == offered
