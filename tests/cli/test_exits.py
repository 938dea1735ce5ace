"""Failures: one line on stderr, the documented code, and nothing hidden."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pestle as package
import pytest
from pestle import errors
from pestle.cli import exits, main
from pestle.cli.console import Console

from .conftest import Pestle
from .fakes import FakeLLM

Use = Callable[[FakeLLM], FakeLLM]
FAKE_PESTLE = Path(__file__).with_name("fake_pestle.py")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.Error("of a kind"), 1),
        (errors.FormatError("bad magic"), 3),
        (errors.UnsupportedError("architecture `x`"), 3),
        (errors.TokenizerError("pre-tokenizer `x`"), 3),
        (errors.MemoryLimitError("5 GB"), 4),
        (MemoryError("malloc"), 4),
        (errors.ContextLengthError("9 tokens"), 5),
        (errors.TemplateError("no template"), 1),
        (errors.ModelNotFoundError("no model"), 1),
        (errors.DownloadError("wrong digest"), 1),
        (errors.OfflineError("not here"), 1),
        (KeyboardInterrupt(), 130),
        (BrokenPipeError(), 0),
    ],
)
def test_code(pestle: Pestle, use: Use, error: BaseException, code: int) -> None:
    use(FakeLLM("Word", error=error))
    result = pestle("run", "-p", "x")
    silent = isinstance(error, KeyboardInterrupt | BrokenPipeError)
    assert result.stderr == ("" if silent else f"pestle: error: {error}\n")
    assert result.exit_code == code


def test_ctrl_c_while_the_core_is_imported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pestle.errors", None)  # as then: they come from the core
    monkeypatch.delattr(package, "errors", raising=False)
    error = ImportError("initialization failed")
    error.__cause__ = KeyboardInterrupt()
    assert exits.report(error, Console()) == 130
    assert capsys.readouterr().err == ""


def test_an_error_of_the_system_is_said_without_its_number(pestle: Pestle, use: Use) -> None:
    use(FakeLLM("Word", error=FileNotFoundError(2, "No such file or directory", "x.gguf")))
    result = pestle("run", "-p", "x")
    assert result.stderr == "pestle: error: x.gguf: No such file or directory\n"
    assert result.exit_code == 1


def test_message_is_one_line(pestle: Pestle, use: Use) -> None:
    use(FakeLLM(error=errors.Error("two\n  lines")))
    assert pestle("run", "-q", "-p", "x").stderr == "pestle: error: two lines\n"


def test_bug_is_not_hidden(pestle: Pestle, use: Use) -> None:
    use(FakeLLM(error=KeyError("oops")))
    result = pestle("run", "-p", "x")
    assert result.stderr == "pestle: error: KeyError: 'oops' (a bug: -v shows the traceback)\n"
    assert result.exit_code == 1
    loud = pestle("run", "-v", "-p", "x").stderr.splitlines()
    assert loud[0] == "Traceback (most recent call last):"
    assert loud[-1] == "pestle: error: KeyError: 'oops'"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["foo"], "There is no command foo (see `pestle -h`)"),
        (["--foo"], "No such option '--foo' (see `pestle -h`)"),
        (["rm"], "Missing argument 'NAME' (see `pestle rm -h`)"),
        (["-q", "-v", "ls"], "-v and -q exclude each other (see `pestle -h`)"),
    ],
)
def test_usage(pestle: Pestle, arguments: list[str], line: str) -> None:
    result = pestle(*arguments)
    message = result.stderr.replace("option: --foo", "option '--foo'")  # click 8.1 and 8.5
    assert (result.stdout, result.exit_code) == ("", 2)
    assert message == f"pestle: error: {line}\n"


def test_verbosity_before_the_command(pestle: Pestle, llm: FakeLLM) -> None:
    assert "seed      42\n" in pestle("-v", "run", "-p", "x").stderr


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("command", ["", "chat", "run", "info", "pull", "ls", "rm", "bench"])
def test_help(pestle: Pestle, command: str, flag: str) -> None:
    result = pestle(*command.split(), flag)
    assert result.stdout.startswith(f"Usage: pestle {command}".rstrip())
    assert (result.stderr, result.exit_code) == ("", 0)


def test_alone_it_shows_its_help(pestle: Pestle) -> None:
    alone = pestle()
    welcome, _, rest = alone.stdout.partition("Usage: ")
    assert f"Usage: {rest}" == pestle("-h").stdout
    assert len(rest.splitlines()) > 10
    assert "  pestle chat  " in welcome
    assert "  pestle ls --all  " in welcome
    assert (alone.stderr, alone.exit_code) == ("", 0)


@pytest.mark.parametrize("command", ["info", "eval"])
def test_a_model_that_is_not_here(pestle: Pestle, command: str) -> None:
    """Nobody has asked for the network, so nothing is said of it."""
    result = pestle(command, "smollm2-135m")
    cure = "is not on this machine; `pestle pull smollm2-135m` fetches it"
    assert result.stderr == f"pestle: error: smollm2-135m {cure}\n"
    assert result.exit_code == 1
    assert "the default model, smollm2-135m, is not" in pestle("info").stderr


def test_a_model_where_an_option_names_it(pestle: Pestle) -> None:
    result = pestle("bench", "llama3.2-1b")
    assert "Got unexpected extra argument (llama3.2-1b): -m NAME says which model" in result.stderr
    assert result.exit_code == 2


def test_the_library_speaks_of_parameters_the_command_of_flags() -> None:
    said = "x; overwrite=True replaces it, measured=False skips, hf='u/r' takes it"
    assert (
        exits.in_flags(said) == "x; --overwrite replaces it, --no-measure skips, -hf u/r takes it"
    )
    said = "chat_template='rag' or chat_template=... and unknown_characters='replace'"
    assert exits.in_flags(said) == (
        "--chat-template rag or --chat-template and --unknown-characters replace"
    )
    context = click.Context(main)
    commands = [main.get_command(context, name) for name in main.list_commands(context)]
    of_commands = [command.params for command in commands if command is not None]
    flags = {flag for params in of_commands for each in params for flag in each.opts}
    for path in Path(package.__file__).parent.rglob("*.py"):
        if "cli" not in path.parts and path.name != "lm_eval.py":  # which has a --model of its own
            text = re.sub(r"`pestle [^`]*`", "", path.read_text(encoding="utf-8"))
            assert not flags & set(re.findall(r"--[a-z]+[a-z-]*\b", text)), path


def test_version(pestle: Pestle) -> None:
    import pestle as package

    assert pestle("--version").stdout == f"pestle {package.__version__}\n"


@pytest.mark.skipif(sys.platform == "win32", reason="no such pipes on Windows")
def test_reader_that_left_early() -> None:
    writer = subprocess.Popen(
        [sys.executable, FAKE_PESTLE, "run", "-p", "x"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert writer.stdout is not None
    assert writer.stderr is not None
    assert writer.stdout.read(5) == b"word "
    writer.stdout.close()
    assert writer.stderr.read() == b""
    assert writer.wait(timeout=20) == 0


def test_help_loads_nothing_heavy() -> None:
    heavy = ("numpy", "pestle._core", "pestle.llm", "prompt_toolkit", "rich.progress", "tokenizers")
    script = (
        "import sys; from pestle.cli import main\n"
        "try: main(['run', '-h'])\n"
        "except SystemExit: pass\n"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stderr == "[]\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_disk_that_is_full() -> None:
    with Path("/dev/full").open("w") as full:
        run = subprocess.run(
            [sys.executable, "-m", "pestle", "-h"], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert run.stderr == "pestle: error: stdout: No space left on device\n"
    assert run.returncode == 1


@pytest.mark.parametrize(
    ("encoding", "written"), [("ascii", b"Gr??e\n"), ("utf-8", "Grüße\n".encode())]
)
def test_characters_that_stdout_cannot_hold(encoding: str, written: bytes) -> None:
    run = subprocess.run(
        [sys.executable, FAKE_PESTLE, "run", "-p", "x"],
        capture_output=True,
        env=os.environ | {"FAKE_ANSWER": "Grüße", "PYTHONIOENCODING": encoding},
    )
    assert run.returncode == 0
    assert run.stdout == written
    said = (
        'stdout is ascii, so some characters were written as "?"; '
        "PYTHONIOENCODING=utf-8 keeps them.\n"
    )
    assert run.stderr.decode() == (said if encoding == "ascii" else "")


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of POSIX")
def test_closed_streams() -> None:
    command = f"'{sys.executable}' -m pestle ls --foo >&- 2>&- <&-"
    assert subprocess.run(["sh", "-c", command]).returncode == 2
    command = f"'{sys.executable}' -m pestle -h >&-"
    run = subprocess.run(["sh", "-c", command], stderr=subprocess.PIPE, text=True)
    assert run.stderr == "pestle: error: stdout: Bad file descriptor\n"
    assert run.returncode == 1
