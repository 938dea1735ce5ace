"""Who may ask: hosts, origins and keys, on every path."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
from pestle import LLM
from pestle.server import ServerOptions
from pestle.server.access import Access
from pestle.server.dialects.openai import OpenAi

from .serving import Client

PATHS = ("/v1/models", "/v1/chat/completions", "/health", "/nothing/here", "/")
HELLO = {"messages": [{"role": "user", "content": "Hello!"}]}
Serve = Callable[..., Client]


@pytest.fixture
def opened(make_llm: Callable[..., LLM], serve: Serve) -> Serve:
    """A server with these options."""
    return lambda **options: serve(make_llm("Good."), options=ServerOptions(**options))


@pytest.mark.parametrize("path", PATHS)
def test_foreign_hosts_are_refused_everywhere(opened: Serve, path: str) -> None:
    client = opened()
    for host in ("evil.example", "evil.example:11435", "10.0.0.1", "localhost.evil.example", "["):
        answer = client.get(path, host=host)
        assert answer.status == 403
        assert answer.json["error"]["code"] == "host_not_allowed"
    said = client.get(path, host="chat.lan:80").json["error"]["message"]
    assert "--allow-host chat.lan:80" not in said
    assert "--allow-host chat.lan" in said


@pytest.mark.parametrize("path", PATHS)
def test_foreign_origins_are_refused_everywhere(opened: Serve, path: str) -> None:
    client = opened(origins=("https://chat.example.org",))
    for origin in ("http://evil.example", "null", "http://localhost:3000", "http://[", "*"):
        for method in ("GET", "POST", "OPTIONS"):
            answer = client.request(method, path, headers={"origin": origin})
            assert answer.status == 403
            assert answer.json["error"]["code"] == "origin_not_allowed"
            assert "access-control-allow-origin" not in answer.headers
            hinted = f"--cors {origin}" in answer.json["error"]["message"]
            assert hinted == (origin != "null")


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "LOCALHOST:1", "[::1]:80", "a.localhost"]
)
def test_this_machines_names_are_allowed(opened: Serve, host: str) -> None:
    assert opened().get("/v1/models", host=host).status == 200


def test_health_checks_of_http_1_0_need_no_host(opened: Serve) -> None:
    with socket.create_connection(("127.0.0.1", opened().port)) as connection:
        connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200")


def test_names_can_be_allowed(opened: Serve) -> None:
    client = opened(hosts=("Chat.example.org",))
    assert client.get("/v1/models", host="chat.example.org").status == 200
    assert client.get("/v1/models", host="example.org").status == 403


def test_the_servers_own_pages_may_ask(opened: Serve) -> None:
    client = opened(hosts=("chat.example.org",))
    own = f"http://localhost:{client.port}"
    answer = client.get("/v1/models", host=f"localhost:{client.port}", origin=own)
    assert answer.status == 200
    # Behind a proxy that has the certificate.
    answer = client.get("/v1/models", host="chat.example.org", origin="https://chat.example.org")
    assert answer.status == 200
    answer = client.get("/v1/models", host="localhost", origin="https://chat.example.org")
    assert answer.status == 403


def test_allowed_origins_may_ask(opened: Serve) -> None:
    origin = "https://chat.example.org"
    client = opened(origins=(origin,))
    preflight = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
    }
    answer = client.request("OPTIONS", "/v1/chat/completions", headers=preflight)
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == origin
    assert answer.headers["access-control-allow-headers"] == "authorization,content-type"
    assert answer.headers["vary"] == "origin"
    asked = client.post("/v1/chat/completions", HELLO, origin=origin)
    assert asked.status == 200
    assert asked.headers["access-control-allow-origin"] == origin
    # Of errors, too, else the page would not learn what they are.
    refused = client.post("/v1/chat/completions", {}, origin=origin)
    assert refused.status == 400
    assert refused.headers["access-control-allow-origin"] == origin


@pytest.mark.parametrize("path", [path for path in PATHS if path != "/health"])
def test_a_key_is_demanded_everywhere(opened: Serve, path: str) -> None:
    client = opened(keys={"editor": "secret-1", "phone": "secret-2"})
    for headers in (
        {},
        {"authorization": "Bearer secret"},
        {"authorization": "Basic secret-1"},
        {"authorization": "secret-1"},
        {"x-api-key": ""},
        {"x-api-key": "secret-3"},
        {"authorization": "Bearer \xff"},
    ):
        answer = client.get(path, **headers)
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json["error"]["code"] == "invalid_api_key"
        assert answer.json["error"]["type"] == "authentication_error"
    for headers in ({"authorization": "bearer secret-2"}, {"x-api-key": "secret-1"}):
        assert client.get(path, **headers).status in (200, 404, 405)


def test_preflights_need_no_key(opened: Serve) -> None:
    client = opened(keys={"a": "secret"}, origins=("https://a.example",))
    asked = {"origin": "https://a.example", "access-control-request-method": "POST"}
    assert client.request("OPTIONS", "/v1/models", headers=asked).status == 204


@pytest.mark.parametrize(
    ("server", "host", "passes"),
    [
        (("192.168.1.5", 80), "192.168.1.5:80", True),
        (("172.17.0.2", 80), "192.168.1.5", True),  # a container, under its host's address
        (("192.168.1.5", 80), "box.lan", False),
        (("127.0.0.1", 80), "192.168.1.5", False),
        (None, "localhost", True),
        (None, "192.168.1.5", False),
    ],
)
def test_addresses_in_host(server: Any, host: str, passes: bool) -> None:
    passed = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        passed.append(scope["path"])

    async def send(message: Any) -> None:
        pass

    access = Access(app, ServerOptions(), lambda path: OpenAi())
    headers = [(b"host", host.encode())]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": headers, "server": server}
    asyncio.run(access(scope, None, send))  # type: ignore[arg-type]
    assert bool(passed) == passes


def test_bodies_have_to_be_json(opened: Serve) -> None:
    client = opened()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""):
        answer = client.request("POST", "/v1/chat/completions", b"{}", {"content-type": kind})
        assert answer.status == 415


def test_a_path_cannot_write_lines_of_the_log(
    opened: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    client = opened()
    with caplog.at_level("INFO", "pestle.server.access"):
        client.get("/%1b%5b31mred%0a12:00:00%20editor%20GET%20/")
        until = time.monotonic() + 60
        while not caplog.messages and time.monotonic() < until:
            time.sleep(0.01)  # the line is written once the answer has been sent
    (line,) = caplog.messages
    assert "GET /%1B%5B31mred%0A12%3A00%3A00%20editor%20GET%20/ 404" in line
