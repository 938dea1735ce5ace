"""`pestle chat` on a real terminal: a process behind a pseudo terminal, typed at."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pexpect = pytest.importorskip("pexpect", reason="pseudo terminals need pexpect")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no pseudo terminals on Windows")

FAKE_PESTLE = Path(__file__).with_name("fake_pestle.py")
CTRL_C, CTRL_D = "\x03", "\x04"


@pytest.fixture
def terminal() -> Iterator[pexpect.spawn]:
    # Nobody here answers when the program asks where the cursor is.
    environment = os.environ | {"PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm"}
    child = pexpect.spawn(
        sys.executable, [str(FAKE_PESTLE), "chat"], env=environment, encoding="utf-8",
        dimensions=(24, 80), timeout=20,
    )  # fmt: skip
    child.expect("Ctrl-D leaves")
    yield child
    child.close(force=True)


def ask(terminal: pexpect.spawn, text: str) -> None:
    terminal.expect(">>> ")
    terminal.send(f"{text}\r")


def test_a_whole_chat(terminal: pexpect.spawn) -> None:
    ask(terminal, "Hello")
    terminal.expect("Short[.]\r\n")
    terminal.expect(r"1 token, context 2/5,000")

    ask(terminal, "Go on")
    terminal.expect("word word word")
    terminal.send(CTRL_C)
    terminal.expect(r"stopped, \d+ tokens, .* context \d+/5,000")

    ask(terminal, "/show system")
    terminal.expect("There is no system message.")

    terminal.expect(">>> ")
    terminal.send(CTRL_C)
    terminal.expect("Ctrl-D or /bye leaves.")

    terminal.expect(">>> ")
    terminal.send(CTRL_D)
    terminal.expect(pexpect.EOF)
    terminal.wait()
    assert terminal.exitstatus == 0


def test_bye(terminal: pexpect.spawn) -> None:
    ask(terminal, "/bye")
    terminal.expect(pexpect.EOF)
    terminal.wait()
    assert terminal.exitstatus == 0
