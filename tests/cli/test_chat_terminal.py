"""`pestle chat` on a real terminal: a process behind a pseudo terminal, typed at."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.sessions import models

from .test_signals import listening

pexpect = pytest.importorskip("pexpect", reason="pseudo terminals need pexpect")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no pseudo terminals on Windows")

FAKE_PESTLE = Path(__file__).with_name("fake_pestle.py")
CTRL_C, CTRL_D = "\x03", "\x04"


MARKDOWN = (
    "# A title\n\nSome **bold** text and `code`.\n\n```py\nx = some_function(1, 2, 3)  # longer "
    "than the terminal is wide, and one line all the same\n```\nDone."
)
Spawn = Callable[..., Any]


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Spawn]:
    """Start `pestle chat` on a terminal of its own."""
    started: list[Any] = []

    def start(*arguments: str, **settings: str) -> Any:
        # Nobody here answers when the program asks where the cursor is.
        environment = os.environ | {"PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm"} | settings
        environment |= {"XDG_STATE_HOME": str(tmp_path), "PESTLE_DATA": str(tmp_path)}
        child = pexpect.spawn(
            sys.executable, [str(FAKE_PESTLE), "chat", *arguments], env=environment,
            encoding="utf-8", dimensions=(24, 80), timeout=20,
        )  # fmt: skip
        started.append(child)
        child.expect("Ctrl-D leaves")
        return child

    yield start
    for child in started:
        end(child)


def end(child: Any) -> None:
    """End a process however busy the machine is: pexpect itself waits a tenth of a second."""
    if child.isalive():
        child.kill(signal.SIGKILL)
        child.wait()
    child.close()


@pytest.fixture
def terminal(spawn: Spawn) -> Any:
    return spawn()


def ask(terminal: Any, text: str) -> None:
    terminal.expect(">>> ")
    terminal.send(f"{text}\r")


def test_a_whole_chat(terminal: Any) -> None:
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


def test_bye(terminal: Any) -> None:
    ask(terminal, "/bye")
    terminal.expect(pexpect.EOF)
    terminal.wait()
    assert terminal.exitstatus == 0


def answer_to(terminal: Any, text: str) -> str:
    """What the terminal gets from the end of a question to the line under its answer."""
    ask(terminal, text)
    terminal.expect("tokens?, ")
    said: str = terminal.before
    return said


def test_markdown_and_code_to_copy(spawn: Spawn) -> None:
    said = answer_to(spawn(FAKE_ANSWER=MARKDOWN), "Hello")
    assert "\x1b[1mA title" in said
    assert "Some \x1b[1mbold\x1b[0m text and \x1b[36mcode\x1b[0m." in said
    code = MARKDOWN.split("```py\n")[1].split("\n```")[0]
    assert f"{code}\r\n" in said  # one line, without frame or margin


RICH = (
    "Some fruit:\n\n| Name | Kilogrammes |\n|---|---:|\n"
    + "".join(f"| Fruit {n} | {n * 100} |\n" for n in range(9))
    + "\n> A quotation that does not fit into a single line here.\n\n- a list whose item is "
    "longer than the line\n- see [the page](https://example.org/x)\n---\nDone."
)


def test_tables_quotations_lists_and_links(spawn: Spawn) -> None:
    """On the screen that a person sees: what was shown of a table before is gone."""
    pyte = pytest.importorskip("pyte", reason="screens need pyte")
    terminal = spawn(FAKE_ANSWER=RICH)
    terminal.setwinsize(40, 34)
    said = answer_to(terminal, "Hello")
    screen = pyte.Screen(34, 40)
    pyte.Stream(screen).feed(said[said.index("Some fruit") :])
    shown = [line.rstrip() for line in screen.display]
    assert shown[0] == "Some fruit:"
    assert [line.count("Kilogrammes") for line in shown].count(1) == 1
    rows = [line for line in shown if "Fruit " in line]
    assert [line.split()[2] for line in rows] == [str(n) for n in range(9)]
    assert len({len(line) for line in rows}) == 1
    at = shown.index("\u2502 A quotation that does not fit")
    assert shown[at + 1] == "\u2502 into a single line here."
    at = shown.index("\u2022 a list whose item is longer")
    assert shown[at + 1 : at + 4] == [
        "  than the line", "\u2022 see the page", "  (https://example.org/x)",
    ]  # fmt: skip
    assert shown[at + 4] == "\u2500" * 33
    assert shown[at + 5] == "Done."


@pytest.mark.parametrize("settings", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_without_colours_it_is_what_was_said(spawn: Spawn, settings: dict[str, str]) -> None:
    said = answer_to(spawn(FAKE_ANSWER=MARKDOWN, **settings), "Hello")
    answer = said[said.index("# A title") :]
    assert answer.startswith(MARKDOWN.replace("\n", "\r\n"))
    assert "\x1b[" not in answer.removesuffix("\r\n")[: len(MARKDOWN)]


def test_resized_while_it_answers(spawn: Spawn) -> None:
    """The words that come after fit the new width; the chat goes on."""
    terminal = spawn()
    answer_to(terminal, "Hello")
    ask(terminal, "Go on")
    terminal.expect("word word word")
    terminal.setwinsize(24, 30)
    terminal.expect("\r\n(?:word ?){6}\r\n(?:word ?){3}")
    terminal.send(CTRL_C)
    terminal.expect("stopped, ")
    ask(terminal, "/show system")
    terminal.expect("There is no system message.")


def test_several_lines_and_completion(spawn: Spawn) -> None:
    terminal = spawn(FAKE_ANSWER="Good.")
    ask(terminal, '"""one')
    terminal.expect("[.]{3}")
    terminal.send('two\rthree"""\r')
    terminal.expect("Good[.]\r\n")
    terminal.expect(r"context 4/5,000")  # three words were asked, one was said
    terminal.expect(">>> ")
    terminal.send("/cl")
    terminal.expect("forget what was said")
    terminal.send("\t")
    terminal.expect("ear")
    terminal.send("\r")
    terminal.expect("The conversation begins anew[.]")


def test_a_long_prompt(spawn: Spawn) -> None:
    """What is read of it is shown, and is gone when the answer comes; keys do not show."""
    terminal = spawn(FAKE_ANSWER="Good.", FAKE_READING="30")
    ask(terminal, "one two")
    terminal.expect(r"Reading [^/]*[1-9][\d,]*/[1-9][\d,]* tokens \S*0:0\d")
    terminal.send("typed ahead")
    terminal.expect("Good[.]\r\n")
    assert "typed" not in terminal.before
    assert terminal.before.endswith("\x1b[2K")  # the bar's line is blank again
    terminal.expect("typed ahead")  # it was not lost
    terminal.send("\r")
    terminal.expect("Good[.]\r\n")


def test_interrupted_while_it_reads(spawn: Spawn) -> None:
    terminal = spawn(FAKE_ANSWER="Good.", FAKE_READING="100000")
    ask(terminal, "one two three")
    terminal.expect("Reading")
    terminal.send(CTRL_C)
    terminal.expect("Your message is kept: /regen answers it[.]")
    ask(terminal, "/bye")
    terminal.expect(pexpect.EOF)


@pytest.mark.parametrize("number", [None, signal.SIGINT, signal.SIGTERM])
def test_echo_is_there_again(number: signal.Signals | None) -> None:
    """However the command ends, the terminal is as it was."""
    environment = os.environ | {"FAKE_ANSWER": "Good.", "TERM": "xterm"}
    environment["FAKE_READING"] = "20" if number is None else "100000"
    child = pexpect.spawn(
        sys.executable, [str(FAKE_PESTLE), "run", "-p", "x"], env=environment, encoding="utf-8",
        timeout=20, preexec_fn=listening,
    )  # fmt: skip
    assert child.getecho()
    child.expect("Reading")
    assert not child.getecho()
    if number is not None:
        child.kill(number)
    child.expect(pexpect.EOF)
    assert child.getecho()
    child.close()


def test_a_pipe_gets_plain_text(tmp_path: Path) -> None:
    """On either side, and no terminal anywhere."""
    environment = os.environ | {"FAKE_ANSWER": MARKDOWN, "TERM": "xterm"}
    done = subprocess.run(
        [sys.executable, str(FAKE_PESTLE), "chat"], input="Hello\n", env=environment,
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == (f"{MARKDOWN}\n", "")


def test_killed_in_the_middle_of_an_answer(tmp_path: Path) -> None:
    """What was saved after the turn before is taken up, and not read again."""
    model = models.write(tmp_path / "tiny.gguf")
    environment = os.environ | {"PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm", "NO_COLOR": "1"}
    environment |= {"XDG_STATE_HOME": str(tmp_path), "PESTLE_DATA": str(tmp_path)}
    arguments = ["-m", "pestle", "chat", "-m", str(model), "-t", "1", "--session", "trip"]

    def start() -> Any:
        return pexpect.spawn(
            sys.executable, arguments, env=environment, encoding="utf-8", timeout=20
        )

    first = start()
    ask(first, "/set max-tokens 9")
    ask(first, "Hello")
    first.expect("context ")
    second = start()
    second.expect("the session trip is in use by another process")
    second.expect(pexpect.EOF)
    ask(first, "/set max-tokens default")
    ask(first, "Go on")
    first.expect(r"\r\n\S{3}")
    first.kill(signal.SIGKILL)
    first.wait()
    again = start()
    again.expect(r"Session trip: 2 messages, \d\d tokens that need not be read again[.]")
    end(again)
