"""How much one may ask for: each limit is told by the name of its field."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from pestle import LLM
from pestle.server import ServerOptions
from pestle.server.errors import ApiError
from pestle.server.room import Bodies

from .serving import Client

CHAT = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "Hello!"}]
Serve = Callable[..., Client]
Make = Callable[..., LLM]

LIMITS = ServerOptions(
    n=3, messages=4, tools=2, top_logprobs=5, logit_bias=2, stops=2, stop_length=10,
    body_bytes=10_000,
)  # fmt: skip


def tool(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}


@pytest.mark.parametrize(
    ("fields", "param", "said"),
    [
        ({"n": 4}, "n", "n is 4, expected 3 at most"),
        ({"messages": HELLO * 5}, "messages", "messages has 5 entries, expected 4 at most"),
        ({"tools": [tool(n) for n in "abc"]}, "tools", "tools has 3 entries, expected 2 at most"),
        ({"logprobs": True, "top_logprobs": 6}, "top_logprobs", "top_logprobs is 6, expected 5"),
        ({"logit_bias": {"1": 1, "2": 1, "3": 1}}, "logit_bias", "logit_bias has 3 entries"),
        ({"stop": ["a", "b", "c"]}, "stop", "stop has 3 entries, expected 2 at most"),
        ({"stop": "x" * 11}, "stop", "stop has 11 characters, expected 10 at most"),
        ({"stop": ["a", "x" * 11]}, "stop", "stop has 11 characters, expected 10 at most"),
    ],
)
def test_too_much(make_llm: Make, serve: Serve, fields: Any, param: str, said: str) -> None:
    client = serve(make_llm("x"), options=LIMITS)
    answer = client.post(CHAT, {"messages": HELLO, **fields})
    assert answer.status == 400
    assert answer.json["error"]["param"] == param
    assert answer.json["error"]["message"].startswith(said)


def test_as_much_as_may_be(make_llm: Make, serve: Serve) -> None:
    client = serve(make_llm("Good."), options=LIMITS)
    fields = {"n": 3, "stop": ["a", "x" * 10], "logprobs": True, "top_logprobs": 5}
    answer = client.post(CHAT, {"messages": HELLO * 2, **fields, "logit_bias": {"1": 1, "2": 1}})
    assert answer.status == 200, answer.json


def test_bodies_that_are_too_long(make_llm: Make, serve: Serve) -> None:
    client = serve(make_llm("x"), options=LIMITS)
    long = [{"role": "user", "content": "x" * 10_000}]
    answer = client.post(CHAT, {"messages": long})
    assert answer.status == 413
    assert answer.json["error"]["message"] == "the body is longer than 10000 bytes"
    # One whose length is not told before.
    with client.connect() as connection:
        head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        connection.sendall(f"{head}transfer-encoding: chunked\r\n\r\n".encode())
        connection.sendall((b"1000\r\n" + b" " * 0x1000 + b"\r\n") * 3)
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 413 ")
    assert client.post(CHAT, {"messages": HELLO}).status == 200


def test_a_body_of_a_gigabyte_is_not_read(make_llm: Make, serve: Serve) -> None:
    client = serve(make_llm("x"))
    with client.connect() as connection:
        head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        connection.sendall(f"{head}content-length: {1 << 30}\r\n\r\n".encode())
        with pytest.raises(ConnectionError):  # the server does not take it all
            connection.sendall(memoryview(bytes(1 << 30)))
    assert client.post(CHAT, {"messages": HELLO}).status == 200


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000],
    ids=["arrays", "objects"],
)
def test_bodies_that_are_too_deep(make_llm: Make, serve: Serve, text: str) -> None:
    client = serve(make_llm("Good."))
    for body in (text, f'{{"messages": {json.dumps(HELLO)}, "metadata": {text}}}'):
        answer = client.post(CHAT, body.encode())
        assert answer.status == 400
        assert "nested deeper" in answer.json["error"]["message"]
    assert client.post(CHAT, {"messages": HELLO}).status == 200


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "the body"),
        (b"{", "the body"),
        (b"[]", "the body"),
        (b"\xff{}", "utf-8"),
        (b'{"messages": 1, "messages": 2}', "messages"),
        (b'{"temperature": NaN}', "NaN"),
        (b'{"seed": 1e999}', "the body"),
    ],
)
def test_bodies_that_are_not_json(make_llm: Make, serve: Serve, body: bytes, said: str) -> None:
    answer = serve(make_llm("x")).post(CHAT, body)
    assert answer.status == 400
    assert said in answer.json["error"]["message"]


def test_bodies_share_their_memory() -> None:
    bodies = Bodies(100)
    with bodies.part() as first, bodies.part() as second:
        first.take(60)
        with pytest.raises(ApiError) as refused:
            second.take(41)
        assert refused.value.status == 503
        assert refused.value.retry_after == 1
        second.take(40)
    with bodies.part() as third:
        third.take(100)


def test_the_queue(make_llm: Make, serve: Serve) -> None:
    """Whoever comes when too many wait is told to come again, and nobody else suffers."""
    go_on = threading.Event()
    llm = make_llm("Good.", before=lambda: go_on.wait(60))
    client = serve(llm, options=ServerOptions(queue=3))
    connections = [client.begin(CHAT, {"messages": HELLO, "n": n}) for n in (1, 2)]
    while True:
        refused = client.post(CHAT, {"messages": HELLO, "max_tokens": 1})
        if refused.status != 200:
            break
    assert refused.status == 429
    assert refused.json["error"]["message"] == "3 answers wait already, 3 may"
    assert refused.json["error"]["code"] == "queue_full"
    assert refused.json["error"]["type"] == "rate_limit_error"
    assert refused.headers["retry-after"] == "5"
    anthropic = client.post("/v1/messages", {"messages": HELLO, "max_tokens": 9, "model": "x"})
    assert anthropic.status in (404, 529)
    go_on.set()
    for connection in connections:
        assert b"200 OK" in _read(connection)
        connection.close()
    assert client.post(CHAT, {"messages": HELLO}).status == 200


def _read(connection: socket.socket) -> bytes:
    return connection.recv(1 << 16)
