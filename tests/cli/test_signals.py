"""What Ctrl-C, SIGTERM and SIGHUP do to a process, at any moment and however often they come."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.sessions import models

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

FAKE_PESTLE = Path(__file__).with_name("fake_pestle.py")
# Python itself dies of a SIGINT that comes before there is a program. A byte tells that there is.
DRIVER = """
import os, sys

class Tell:
    def find_spec(self, name, *more):
        if name == "pestle.cli":
            os.write(2, b"#")

sys.meta_path.insert(0, Tell())
from pestle.__main__ import run
run()
"""
PYTHONS = ("Traceback", "ignored", "Interrupt", "error")
SECONDS = 20.0  # of storms


def start(*arguments: str, **more: object) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, *arguments], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=listening, **more,  # type: ignore[call-overload]
    )  # fmt: skip
    assert process.stderr is not None
    assert process.stderr.read(1) == b"#"
    return process


def listening() -> None:
    """As a shell in the foreground starts it; whoever runs these tests may have SIGINT ignored."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def storm(process: subprocess.Popen[bytes], draw: random.Random) -> tuple[int, bytes]:
    """Ctrl-C again and again until the process has ended."""
    time.sleep(draw.choice((0.0, 0.1, 0.3, 0.6)) * draw.random())
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        time.sleep(draw.choice((0.0002, 0.003, 0.05)) * draw.random())
    assert process.stderr is not None
    return process.returncode, process.stderr.read()


@pytest.mark.slow
def test_storms_of_ctrl_c(tmp_path: Path) -> None:
    """Not a word of Python's, and never the raw signal."""
    model = str(models.write(tmp_path / "tiny.gguf"))
    commands = (
        # An answer that is sooner at the end of its context than the storm ends in an error.
        ("run", "-m", model, "-t", "1", "-n", "2000", "Go on."),
        ("run", "-m", model, "-t", "2", "-n", "100", "--session", "trip", "Go on."),
        ("quantize", model, str(tmp_path / "out.gguf"), "Q8_0", "--overwrite"),
        ("doctor",),
        ("info", model),
    )
    environment = os.environ | {"PESTLE_DATA": str(tmp_path)}
    draw = random.Random(7)
    codes = set()
    until = time.monotonic() + SECONDS
    rounds = 0
    while rounds < len(commands) or time.monotonic() < until:
        arguments = commands[rounds % len(commands)]
        code, said = storm(start(*arguments, env=environment), draw)
        codes.add(code)
        text = said.decode()
        assert not any(word in text for word in ("Traceback", "ignored", "Interrupt", "error")), (
            text
        )
        assert code in (0, 130), (arguments, code, text)
        rounds += 1
    assert 130 in codes


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_one_signal(number: signal.Signals, code: int) -> None:
    """What was said is there, and the exit code tells which one it was."""
    process = subprocess.Popen(
        [sys.executable, FAKE_PESTLE, "run", "-p", "x"], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=listening,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.read(5) == b"word "
    process.send_signal(number)
    assert process.wait(timeout=20) == code
    process.stdout.close()
    assert process.stderr.read() == b""


def test_what_is_ignored_stays_ignored() -> None:
    """As in a script's background job."""

    def deaf() -> None:
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)

    process = subprocess.Popen(
        [sys.executable, FAKE_PESTLE, "run", "-n", "4", "-p", "x"], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=deaf,
    )  # fmt: skip
    assert process.stdout is not None
    said = process.stdout.read(5)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGHUP)
    said += process.stdout.read()
    assert (process.wait(timeout=20), said) == (0, b"word word word word\n")


def test_an_interrupt_in_a_destructor_is_not_lost() -> None:
    """Python cannot raise there: it would print that it ignores it, and go on."""
    script = (
        "import os, signal, sys, time\nfrom pestle import __main__, cli\n"
        "class Held:\n"
        "    def __del__(self): signal.raise_signal(signal.SIGINT); time.sleep(0)\n"
        "def main():\n"
        "    held = Held(); del held\n"
        "    try: time.sleep(20)\n"
        "    except KeyboardInterrupt: sys.exit(130)\n"
        "cli.main = main\n__main__.run()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], stderr=subprocess.PIPE, timeout=15, preexec_fn=listening
    )
    assert (done.returncode, done.stderr) == (130, b"")


def test_a_terminal_that_goes_away(tmp_path: Path) -> None:
    pexpect = pytest.importorskip("pexpect", reason="pseudo terminals need pexpect")
    environment = os.environ | {"PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm"}
    environment |= {"XDG_STATE_HOME": str(tmp_path), "PESTLE_DATA": str(tmp_path)}
    for number, code in ((signal.SIGTERM, 143), (signal.SIGHUP, 129)):
        child = pexpect.spawn(
            sys.executable, [str(FAKE_PESTLE), "chat"], env=environment, encoding="utf-8",
            timeout=20, preexec_fn=listening,
        )  # fmt: skip
        child.expect("Ctrl-D leaves")
        child.expect(">>> ")
        child.kill(number)
        child.expect(pexpect.EOF)
        child.wait()
        assert child.exitstatus == code
        assert "Traceback" not in child.before
