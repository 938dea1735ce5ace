"""The port itself: addresses that cannot be had, connections that do not get on, and the end."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pestle import LLM
from pestle.errors import Error
from pestle.server import ServerOptions, create_app
from pestle.server.listening import bind

from .serving import Client, serving

PATH = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "Hello!"}]
Serve = Callable[..., Client]
Make = Callable[..., LLM]


def _ended(connection: socket.socket) -> bytes:
    """What comes until the server closes the connection."""
    came = b""
    try:
        while part := connection.recv(1 << 16):
            came += part
    except ConnectionResetError:
        pass
    return came


def _accepts(client: Client) -> bool:
    try:
        client.connect().close()
    except ConnectionError:
        return False
    return True


def test_addresses_that_cannot_be_had() -> None:
    (taken,) = bind("127.0.0.1", 0)
    with taken:
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Error, match=rf"^127\.0\.0\.1:{port} is in use by another program"):
            bind("127.0.0.1", port)
    with pytest.raises(Error, match=r"^192\.0\.2\.1 is not an address of this machine$"):
        bind("192.0.2.1", 0)
    for name in ("no.such.host.invalid", "x" * 300, "a b"):
        with pytest.raises(Error, match=r"^there is no host"):
            bind(name, 0)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="POSIX")
def test_no_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: socket.socket, address: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(Error, match=r"^no permission to listen at 127\.0\.0\.1:80$"):
        bind("127.0.0.1", 80)


def test_a_head_has_to_come_in_time(make_llm: Make, serve: Serve) -> None:
    client = serve(make_llm("x"), options=ServerOptions(head_s=0.2))
    with client.connect() as silent, client.connect() as slow:
        slow.sendall(b"GET /v1/models HTTP/1.1\r\nhost: loc")
        assert _ended(silent) == _ended(slow) == b""
    with client.connect() as second:  # also behind a request that was answered
        second.sendall(b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert b"200 OK" in second.recv(1 << 16)
        second.sendall(b"G")
        _ended(second)


def test_a_body_has_to_come_in_time(make_llm: Make, serve: Serve) -> None:
    client = serve(make_llm("x"), options=ServerOptions(body_s=0.3))
    with client.connect() as slow:
        head = f"POST {PATH} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        slow.sendall(f"{head}content-length: 1000\r\n\r\n{{".encode())
        came = _ended(slow)
    assert came.startswith(b"HTTP/1.1 408 ")
    assert b"has not come within 0.3 seconds" in came


def test_idle_connections_are_closed(make_llm: Make, serve: Serve) -> None:
    client = serve(make_llm("x"), options=ServerOptions(idle_s=0.2))
    with client.connect() as idle:
        idle.sendall(b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert b"200 OK" in _ended(idle)


def test_the_oldest_idle_connection_makes_room(make_llm: Make, serve: Serve) -> None:
    llm = make_llm("on and on ", end=False, n_ctx=1_000_000)
    client = serve(llm, options=ServerOptions(connections=3))
    with client.begin(PATH, {"messages": HELLO, "stream": True}) as busy:
        assert b"200 OK" in busy.recv(1 << 16)
        idle = [client.connect() for _ in range(2)]
        assert client.get("/v1/models").status == 200
        assert _ended(idle[0]) == b""
        idle[1].setblocking(False)
        with pytest.raises(BlockingIOError):
            idle[1].recv(1)
        assert busy.recv(1 << 16)
        for each in idle:
            each.close()


def test_where_all_are_busy_a_further_one_goes(make_llm: Make, serve: Serve) -> None:
    llm = make_llm("on and on ", end=False, n_ctx=1_000_000)
    client = serve(llm, options=ServerOptions(connections=1))
    with client.begin(PATH, {"messages": HELLO, "stream": True}) as busy:
        assert b"200 OK" in busy.recv(1 << 16)
        with client.connect() as further:
            assert _ended(further) == b""
        assert busy.recv(1 << 16)


def test_who_does_not_read_is_given_up(make_llm: Make, serve: Serve) -> None:
    llm = make_llm("on and on ", end=False, n_ctx=10_000_000)
    client = serve(llm, options=ServerOptions(stall=0.5))
    with client.begin(PATH, {"messages": HELLO, "stream": True}) as asleep:
        asleep.recv(1)
        deadline = time.monotonic() + 60
        while not llm._runtime.scheduler.idle and time.monotonic() < deadline:
            time.sleep(0.05)
        assert llm._runtime.scheduler.idle
        assert client.get("/v1/models").status == 200


def test_stopping_lets_short_answers_end(make_llm: Make) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def before() -> None:
        begun.set()
        assert go_on.wait(60)

    llm = make_llm("Good morning.", before=before)
    with serving(create_app(llm)) as client:
        connection = client.begin(PATH, {"messages": HELLO, "stream": True})
        assert begun.wait(60)
        client.listener.stop()
        while _accepts(client):  # soon not any more
            pass
        go_on.set()
        came = _ended(connection)
        connection.close()
    assert b'"finish_reason":"stop"' in came
    assert b"data: [DONE]" in came


def test_stopping_ends_long_answers_with_an_error(make_llm: Make) -> None:
    llm = make_llm("on and on ", end=False, n_ctx=10_000_000)
    with serving(create_app(llm), grace=0.3) as client:
        stream = client.begin(PATH, {"messages": HELLO, "stream": True})
        whole = client.begin(PATH, {"messages": HELLO})
        assert b"200 OK" in stream.recv(1 << 10)
        begun = time.monotonic()
        client.listener.stop()
        came = _ended(stream)
        last = came.rstrip(b"0\r\n").rpartition(b"data: ")[2].partition(b"\n")[0]
        assert json.loads(last)["error"]["message"] == "the server is being stopped"
        refused = _ended(whole)
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 5" in refused
        stream.close()
        whole.close()
    assert time.monotonic() - begun < 30
    assert llm._runtime.scheduler.idle


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="POSIX")
def test_systemd_is_told(make_llm: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        with serving(create_app(make_llm("x"))):
            assert manager.recv(100) == b"READY=1"
        assert manager.recv(100) == b"STOPPING=1"


@pytest.mark.skipif(sys.platform == "win32", reason="needs descriptors")
def test_room_for_connections() -> None:
    """As many as the system lets us have, also where it gives few at first."""
    program = (
        "import resource as r\n"
        "from pestle.server.descriptors import raise_limit\n"
        "for soft, hard in ((200, 3000), (200, 300)):\n"
        "    r.setrlimit(r.RLIMIT_NOFILE, (soft, hard))\n"
        "    print(raise_limit(1000), r.getrlimit(r.RLIMIT_NOFILE)[0])\n"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert said.stdout == b"1000 1256\n44 300\n"


def test_addresses_that_are_not_there_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
    known = [(*kind, ("192.0.2.1", 0)), (*kind, ("127.0.0.1", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **more: known)
    (bound,) = bind("localhost", 0)
    with bound:
        assert bound.getsockname()[0] == "127.0.0.1"
    del known[1]
    with pytest.raises(Error, match="is not an address of this machine"):
        bind("localhost", 0)
