"""`pestle serve` as a process: what it says, what it refuses to do, and how it ends."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pestle import _core, footprint
from pestle.cli.model_options import ModelOptions
from pestle.cli.serve_memory import Given, with_memory
from pestle.cli.serve_models import Offer
from pestle.gguf import KvCache, describe
from pestle.options import EngineOptions

from tests.unit.sessions import models

from .conftest import Pestle


class Served:
    """A process that serves."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pestle", "serve", "--port", "0", *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **environment},
        )  # fmt: skip
        self.screen = ""
        assert self.process.stdout is not None
        while "\n  model" not in self.screen:
            line = self.process.stdout.readline()
            assert line, self.process.communicate()
            self.screen += line
        found = re.search(r":(\d+)$", self.screen.partition("\n")[0])
        assert found is not None, self.screen
        self.port = int(found[1])

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"content-type": "application/json", **headers})
        answer = connection.getresponse()
        said = answer.status, json.loads(answer.read())
        connection.close()
        return said

    def end(self, *signals: signal.Signals) -> tuple[int, str]:
        """Its exit code, and what it has said on stderr."""
        for number in signals:
            self.process.send_signal(number)
            time.sleep(0.3)
        said = self.process.communicate(timeout=60)[1]
        return self.process.returncode, said


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny model of random weights."""
    return str(models.write(tmp_path_factory.mktemp("serve") / "tiny.gguf"))


@pytest.fixture
def start() -> Iterator[Callable[..., Served]]:
    """Start servers, which do not outlive the test."""
    started: list[Served] = []

    def starting(*arguments: str, **environment: str) -> Served:
        started.append(Served(*arguments, **environment))
        return started[-1]

    yield starting
    for each in started:
        if each.process.poll() is None:
            each.process.kill()
            each.process.communicate()


posix = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
CHAT = {"messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 4, "seed": 1}


@posix
def test_the_first_screen_and_an_answer(start: Callable[..., Served], tiny: str) -> None:
    served = start("-m", tiny, "-c", "200", "-v")
    lines = served.screen.splitlines()
    assert lines[0] == f"Serving at http://127.0.0.1:{served.port}"
    assert re.fullmatch(
        r"  tiny +200 tokens +as many as fit +[\d.]+ [MG]B, [\d,]+ tokens", lines[3]
    )
    assert lines[5] == "A client of OpenAI's API takes:"
    assert lines[6] == f"  base URL  http://127.0.0.1:{served.port}/v1"
    assert lines[7] == "  API key   any text; none is demanded"
    assert lines[8] == "  model     tiny"
    status, models = served.ask("GET", "/v1/models")
    assert (status, [each["id"] for each in models["data"]]) == (200, ["tiny"])
    status, answer = served.ask("POST", "/v1/chat/completions", CHAT)
    assert (status, answer["usage"]["completion_tokens"]) == (200, 4)
    code, said = served.end(signal.SIGTERM)
    assert code == 143
    assert re.search(r"^\d\d:\d\d:\d\d 127\.0\.0\.1 POST /v1/chat/completions 200, ", said, re.M)
    assert "Hello!" not in said


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_it_without_a_word(
    start: Callable[..., Served], tiny: str, number: signal.Signals
) -> None:
    before = signal.signal(number, signal.SIG_DFL)  # it may be ignored here, as under nohup
    try:
        assert start("-m", tiny).end(number) == (128 + number, "")
    finally:
        signal.signal(number, before)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_first_screen_that_cannot_be_written(tiny: str) -> None:
    command = [sys.executable, "-m", "pestle", "serve", "--port", "0", "-m", tiny]
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60
        )
    assert done.returncode == 1
    assert done.stderr == "pestle: error: stdout: No space left on device\n"


@posix
def test_a_first_screen_that_nobody_reads(tiny: str) -> None:
    command = [sys.executable, "-m", "pestle", "serve", "--port", "0", "-m", tiny]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False, timeout=60
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


@posix
def test_a_second_signal_ends_it_at_once(start: Callable[..., Served], tiny: str) -> None:
    served = start("-m", tiny, "-c", "0", "--grace", "1000")
    with socket.create_connection(("127.0.0.1", served.port)) as connection:
        # A request whose body never comes.
        connection.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
            b"content-type: application/json\r\ncontent-length: 9\r\n\r\n{"
        )
        time.sleep(0.3)
        served.process.send_signal(signal.SIGINT)
        time.sleep(1)
        assert served.process.poll() is None
        assert served.end(signal.SIGTERM) == (143, "")


@posix
def test_keys_and_prompts_in_the_log(
    start: Callable[..., Served], tiny: str, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.write_text("# who may ask\neditor  s3cret\n\nt0ken\n")
    served = start("-m", f"small={tiny}", "--api-key-file", str(keys), "--log-prompts", "-v")
    assert "API key   one of the 2 given" in served.screen
    assert "model     small" in served.screen
    assert served.ask("GET", "/v1/models")[0] == 401
    assert served.ask("GET", "/v1/models", authorization="Bearer t0ken")[0] == 200
    assert served.ask("POST", "/v1/chat/completions", CHAT, **{"x-api-key": "s3cret"})[0] == 200
    _, said = served.end(signal.SIGINT)
    assert " editor POST /v1/chat/completions 200, " in said
    assert " line 4 GET /v1/models 200, " in said
    assert '"Hello!"' in said
    assert "s3cret" not in said


@posix
def test_a_key_from_the_environment(start: Callable[..., Served], tiny: str) -> None:
    served = start("-m", tiny, "--host", "0.0.0.0", PESTLE_API_KEY="s3cret")
    assert served.screen.startswith("Serving at http://0.0.0.0:")
    assert f"base URL  http://127.0.0.1:{served.port}/v1" in served.screen
    assert served.ask("GET", "/v1/models")[0] == 401
    assert served.ask("GET", "/v1/models", authorization="Bearer s3cret")[0] == 200


@contextmanager
def taken() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_what_cannot_be_listened_at(pestle: Pestle, tiny: str) -> None:
    with taken() as port:
        result = pestle("serve", "-m", tiny, "--port", str(port))
    assert result.exit_code == 1
    assert result.stderr == (
        f"pestle: error: 127.0.0.1:{port} is in use by another program; "
        "another port, or 0 for any, may be free\n"
    )
    result = pestle("serve", "-m", tiny, "--host", "192.0.2.1", "--no-auth")
    assert result.exit_code == 1
    assert result.stderr == "pestle: error: 192.0.2.1 is not an address of this machine\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "0.0.0.0"], "Other machines can reach this address: demand a key"),
        (["--host", "::"], "Other machines can reach this address"),
        (["--host", "box.lan"], "Other machines can reach this address"),
        (["--api-key", "x", "--no-auth"], "--no-auth and the keys exclude each other"),
        (["--api-key", "a b"], "key 1 cannot be sent in a header"),
        (["--cors", "*"], "--cors *: a scheme and a host are expected"),
        (["--cors", "https://a.example/x"], "a scheme and a host are expected"),
        (["--port", "65536"], "65536 is out of range: from 0 to 65535 is expected"),
        (["-m", "a=x.gguf", "-m", "a=y.gguf"], "Two models are named a"),
        (["-m", "=x.gguf"], "-m =x.gguf: NAME=FILE is expected"),
        (["-m", "a=x.gguf", "--alias", "b=c"], "--alias b=c: NAME=MODEL is expected, MODEL of a"),
        (["-m", "a=x.gguf", "--alias", "a"], "--alias a: a is a name already"),
    ],
)
def test_usage(pestle: Pestle, arguments: list[str], said: str) -> None:
    result = pestle("serve", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_key_files_that_are_wrong(pestle: Pestle, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    for content, said in (
        (b"# none\n", " has no key"),
        (b"a b c\n", ": line 1 has 3 words, expected a key, or a name and a key"),
        (b"a x\na y\n", ": line 2 has the name a once more"),
        (b"\xff\n", " is not valid UTF-8: invalid start byte"),
    ):
        file.write_bytes(content)
        result = pestle("serve", "--api-key-file", str(file))
        assert result.exit_code == 1
        assert result.stderr == f"pestle: error: {file}{said}\n"


@posix
def test_several_models(start: Callable[..., Served], tiny: str) -> None:
    served = start("-m", f"one={tiny}", "-m", f"two={tiny}", "--alias", "gpt-4o=two",
                   "--kv-memory", "200", "--cache-ram", "100", "--keep-alive", "0.1",
                   "--parallel", "3")  # fmt: skip
    assert re.search(
        r"^  one +4,000 tokens +3 answers +210 MB, [\d,]+ tokens$", served.screen, re.M
    )
    assert "  model     one or two or gpt-4o\n" in served.screen
    for name in ("gpt-4o", "one"):
        status, answer = served.ask("POST", "/v1/chat/completions", {**CHAT, "model": name})
        assert (status, answer["usage"]["completion_tokens"]) == (200, 4)
    _, said = served.end(signal.SIGTERM)
    assert re.search("the model two was loaded in", said)
    assert re.search("the model two is unloaded", said)


def offers(free: int, *sizes: int, **given: int | None) -> list[tuple[int, int]]:
    """The memory for keys and values, and of that for prefixes, in megabytes."""
    found = [
        Offer("x", Path("x"), SimpleNamespace(  # type: ignore[arg-type]
            file_bytes=size * 10**6, context_length=1000,
            kv_cache=[KvCache("i16", 10**6, 0)]), ModelOptions())
        for size in sizes
    ]  # fmt: skip
    kv, cache = (None if (m := given.get(n)) is None else m * 10**6 for n in ("kv", "cache"))
    memory = Given(kv, cache)
    engines = [offer.options.engine for offer in with_memory(found, memory, free * 10**6)]
    return [(e.kv_memory // 10**6, e.prefix_cache // 10**6) for e in engines]


def test_memory_is_shared_out() -> None:
    least = 134
    assert offers(9000, 1000) == [(4000, 4000)]
    assert offers(9000, 1000, 2000) == [(1500, 1500)] * 2
    assert offers(1700, 700) == [(800, 800)]  # a whole text would have 1000
    assert offers(2500, 500) == [(1000, 1000)]
    assert offers(2500, 2000, 1500) == [(400, 400)] * 2  # one at a time
    assert offers(900, 1000) == [(least, least)]
    assert offers(9000, 1000, kv=50) == [(50, 50)]
    assert offers(9000, 1000, cache=0) == [(4000, 0)]
    assert offers(900, 1000, cache=200) == [(200, 200)]


def within(limit: int, *paths: Path) -> list[int | None]:
    """What each model has of a limit on memory."""
    options = ModelOptions(engine=EngineOptions(n_ctx=1000, memory=limit))
    found = [Offer(str(path), path, describe(path), options) for path in paths]
    offered = with_memory(found, Given(None, None), 1 << 40)
    assert all(o.options.engine.prefix_cache == limit for o in offered)
    return [offer.share for offer in offered]


def test_several_models_share_a_limit(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path, held = Path(tiny), 50 * 10**6
    monkeypatch.setattr(footprint, "held_by_others", lambda: held)
    options = EngineOptions(n_ctx=1000)
    needed = footprint.fit(_core.GgufFile(path), options, 1 << 40).needed
    assert within(10**9, path) == [None]  # all of it
    both = within(10**9, path, path)
    assert both == [(10**9 - held) // 2] * 2
    assert within(held + 2 * needed, path, path) == [needed] * 2
    assert within(held + 2 * needed - 2, path, path) == [None] * 2  # they take turns


@posix
def test_several_models_within_a_limit(start: Callable[..., Served], tiny: str) -> None:
    served = start("-m", f"one={tiny}", "-m", f"two={tiny}", "--memory", "700MB", "-c", "1000")
    for name in ("two", "one"):
        status, answer = served.ask("POST", "/v1/chat/completions", {**CHAT, "model": name})
        assert (status, answer["usage"]["completion_tokens"]) == (200, 4)
    _, said = served.end(signal.SIGTERM)
    assert "the model two was loaded in" in said
    assert "is unloaded" not in said  # there is room for both


def test_run_imports_nothing_of_the_server() -> None:
    program = (
        "import sys, pestle, pestle.cli, pestle.cli.run, pestle.llm\n"
        "print(sorted(set(sys.modules) & {'asyncio', 'starlette', 'uvicorn', 'anyio', 'msgspec', "
        "'prometheus_client', 'pestle.server'}))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert said.stdout == b"[]\n"


@posix
def test_kill_and_start_again(start: Callable[..., Served], tiny: str, tmp_path: Path) -> None:
    """What was saved before survives a kill, and what is half done then does no harm."""
    long = {**CHAT, "messages": [{"role": "user", "content": "Tell me of a river. " * 20}]}

    def ask(served: Served) -> tuple[str, int]:
        status, answer = served.ask("POST", "/v1/chat/completions", long)
        assert status == 200
        cached: int = answer["usage"]["prompt_tokens_details"]["cached_tokens"]
        return answer["choices"][0]["message"]["content"], cached

    arguments = ("-m", tiny, "--prefix-dir", str(tmp_path / "prefixes"))
    served = start(*arguments)
    first, cached = ask(served)
    assert cached == 0
    assert served.end(signal.SIGTERM)[0] == 143
    for _ in range(2):
        served = start(*arguments)
        again, cached = ask(served)
        assert again == first
        assert cached > 400
        served.process.kill()
        served.process.communicate()
