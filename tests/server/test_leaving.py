"""Who leaves while a text is read ends the work before its next forward pass."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from pestle import LLM
from pestle.errors import InterruptionError

from .serving import Client


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v1/embeddings", {"input": ["x" * 200] * 20, "pooling": "mean"}),
        ("/v1/completions", {"prompt": ["x" * 200] * 20, "echo": True, "logprobs": 1}),
        (
            "/v1/completions",
            {"prompt": ["x" * 200] * 20, "echo": True, "logprobs": 1, "stream": True},
        ),
    ],
)
def test_who_leaves(
    make_llm: Callable[..., LLM],
    serve: Callable[..., Client],
    path: str,
    fields: dict[str, Any],
) -> None:
    llm: Any = make_llm(chunk=16)
    entered, go_on = threading.Event(), threading.Event()

    def block() -> None:
        entered.set()
        assert go_on.wait(20)

    llm.engine.before = block
    client, body = serve(llm), json.dumps(fields).encode()
    with socket.create_connection(("127.0.0.1", client.port)) as connection:
        head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        assert entered.wait(20)
    tickets, deadline = llm._runtime.scheduler._line.running, time.monotonic() + 20
    while not all(ticket._cancel.is_set() for ticket in tickets) and time.monotonic() < deadline:
        time.sleep(0.01)
    go_on.set()
    while tickets and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not tickets
    assert len(llm.engine.passes) == 1


def test_a_pass_that_takes_long_ends_early(
    make_llm: Callable[..., LLM], serve: Callable[..., Client]
) -> None:
    """Where experts are streamed, one may take minutes: the engine gives it up."""
    llm: Any = make_llm(chunk=16)
    llm._runtime.scheduler._gives_up = True
    entered, given_up = threading.Event(), threading.Event()

    def block() -> None:
        entered.set()
        assert given_up.wait(20)
        raise InterruptionError("given up")

    llm.engine.before, llm.engine.interrupt = block, given_up.set
    client, body = serve(llm), json.dumps({"prompt": "x" * 200, "max_tokens": 1}).encode()
    with socket.create_connection(("127.0.0.1", client.port)) as connection:
        head = "POST /v1/completions HTTP/1.1\r\nhost: 127.0.0.1\r\n"
        head += "content-type: application/json\r\n"
        connection.sendall(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        assert entered.wait(20)
    assert given_up.wait(20)
    llm.engine.before = lambda: None
    assert client.post("/v1/completions", {"prompt": "x", "max_tokens": 1}).status == 200
    assert not llm._runtime.scheduler._line.running
