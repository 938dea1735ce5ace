"""The first screen, and the words that people bring from other programs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from pestle import __version__, _core, memory
from pestle.cli import habits, root
from pestle.memory import Memory

from .conftest import Pestle


def test_bare_pestle_welcomes(pestle: Pestle, monkeypatch: pytest.MonkeyPatch) -> None:
    """What to type, the best model for this machine, and the help; and that is no error."""
    monkeypatch.setattr(memory, "read", lambda: Memory(8 * 10**9, 6 * 10**9))
    monkeypatch.setattr(_core, "measure_bandwidth", lambda: 25e9)
    result = pestle()
    assert (result.exit_code, result.stderr) == (0, "")
    first, rest = result.stdout.split("\n\nUsage: ", 1)
    lines = first.splitlines()
    assert lines[0].startswith("Pestle runs language models on this computer.")
    assert lines[2].split("  ")[1] == "pestle chat"
    assert "very small, for a first try" in lines[2]
    assert (
        "pestle chat qwen3-4b-2507  the best for this machine: 2.50 GB to fetch, up to 10 tokens/s"
    ) in lines[3]
    assert max(map(len, lines)) <= 100
    for name in root._MODULES:
        assert f"\n  {name} " in rest
    assert "..." not in rest.split("Commands:")[1]


def test_a_machine_with_little_memory(pestle: Pestle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "read", lambda: Memory(10**9, 10**8))
    result = pestle()
    assert result.exit_code == 0
    assert "the best for this machine" not in result.stdout


@pytest.mark.parametrize("words", [["version"], ["-V"], ["--version"]])
def test_version(pestle: Pestle, words: list[str]) -> None:
    result = pestle(*words)
    assert (result.stdout, result.exit_code) == (f"pestle {__version__}\n", 0)


def test_help_as_a_command(pestle: Pestle) -> None:
    assert pestle("help").stdout == pestle("-h").stdout
    assert pestle("help", "run").stdout == pestle("run", "-h").stdout
    assert pestle("help", "run").exit_code == 0


@pytest.mark.parametrize(("word", "command"), habits.SYNONYMS.items())
def test_synonyms(pestle: Pestle, word: str, command: str) -> None:
    said = pestle(word, "-h")
    assert said.exit_code == 0
    assert said.stdout == pestle(command, "-h").stdout.replace(
        f"pestle {command} ", f"pestle {word} ", 1
    )


@pytest.mark.parametrize("word", habits.ANSWERS)
def test_what_does_it_here(pestle: Pestle, word: str) -> None:
    result = pestle(word, "something")
    assert result.stderr.startswith(f"pestle: error: There is no command {word}: ")
    assert (result.stdout, result.exit_code) == ("", 2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["srve"], "There is no command srve; did you mean serve?"),
        (["frobnicate"], "There is no command frobnicate"),
        (["llama3.2"], "llama3.2 is a model: `pestle chat llama3.2` talks to it"),
        (["llama3.2", "Hi there"], "llama3.2 is a model: `pestle chat llama3.2` talks to it"),
        (["What is", "the", "matter?"], '`pestle run "..."` asks a model'),
        (["what", "is", "the", "matter?"], '`pestle run "..."` asks a model'),
    ],
)
def test_no_such_command(pestle: Pestle, words: list[str], said: str) -> None:
    result = pestle(*words)
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.exit_code == 2


class _Answer(BaseHTTPRequestHandler):
    body = b"{}"
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    """That of a server which says what `_Answer` has."""
    with HTTPServer(("127.0.0.1", 0), _Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_ps(pestle: Pestle, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = {"models": [{"name": "small", "size": 98_362_432, "context_length": 8192}]}
    monkeypatch.setattr(_Answer, "body", json.dumps(listed).encode())
    result = pestle("ps", "--port", str(port))
    assert result.stdout == "name      size  context\nsmall  98.4 MB    8,192\n"
    found = json.loads(pestle("ps", "--port", str(port), "--json").stdout)
    assert (found["running"], found["models"]) == (True, listed["models"])
    for body, status, said in (
        (b'{"models": []}', 200, "The server has no model in memory"),
        (b'{"models": [7]}', 200, "does not answer as `pestle serve` does"),
        (b"<html>", 200, "/api/ps"),
        (b"{}", 401, "answers 401 Unauthorized"),
    ):
        monkeypatch.setattr(_Answer, "body", body)
        monkeypatch.setattr(_Answer, "status", status)
        assert said in pestle("ps", "--port", str(port)).stderr


def test_ps_without_a_server(pestle: Pestle, port: int) -> None:
    result = pestle("ps", "--port", "1")
    assert result.stderr == "No server runs at port 1 here: `pestle serve` starts one.\n"
    assert (result.stdout, result.exit_code) == ("", 0)
