"""What goes wrong around a request: a clear end for it, and nothing for the others."""

from __future__ import annotations

import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pestle import LLM
from pestle._core import GgufFile
from pestle.server import ServerOptions

from tests.unit.sessions import models

from .serving import Client

CHAT = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "Hello!"}]
Serve = Callable[..., Client]
Make = Callable[..., LLM]


def leave(connection: socket.socket) -> None:
    """Break the connection off."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def runs(llm: LLM) -> int:
    """Pieces of work that the engine has."""
    activity = llm.activity()
    return activity.running + activity.waiting


def test_who_leaves_in_the_head_or_the_body(make_llm: Make, serve: Serve) -> None:
    client = serve(make_llm("Good."))
    head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    for part in (
        head[:20],
        head,
        f"{head}content-length: 100\r\n\r\n",
        f"{head}content-length: 9\r\n\r\n{{",
    ):
        connection = client.connect()
        connection.sendall(part.encode())
        leave(connection)
    assert client.post(CHAT, {"messages": HELLO}).json["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize("stream", [True, False])
def test_who_leaves_while_the_prompt_is_read(make_llm: Make, serve: Serve, stream: bool) -> None:
    reading, go_on = threading.Event(), threading.Event()

    def before() -> None:
        reading.set()
        assert go_on.wait(60)
        time.sleep(0.005)

    llm = make_llm("Good.", before=before, n_ctx=100_000, chunk=8)
    client = serve(llm)
    long = [{"role": "user", "content": "x" * 5000}]
    connection = client.begin(CHAT, {"messages": long, "stream": stream})
    assert reading.wait(60)
    leave(connection)
    go_on.set()
    until(lambda: not runs(llm))
    assert len(llm.engine.passes) < 100  # type: ignore[attr-defined]  # of 600 that it would take
    assert client.post(CHAT, {"messages": HELLO}).status == 200


def test_who_leaves_the_queue_ends_nobody_else(make_llm: Make, serve: Serve) -> None:
    go_on = threading.Event()
    llm = make_llm("Good morning.", before=lambda: go_on.wait(60))
    client = serve(llm)
    stays = [client.begin(CHAT, {"messages": HELLO, "n": 2, "stream": True}) for _ in range(3)]
    until(lambda: runs(llm) == 6)
    leaves = [client.begin(CHAT, {"messages": HELLO, "stream": True}) for _ in range(3)]
    until(lambda: runs(llm) == 9)
    for connection in leaves:
        leave(connection)
    go_on.set()
    for connection in stays:
        came = b""
        while not came.endswith(b"[DONE]\n\n\r\n0\r\n\r\n"):
            part = connection.recv(1 << 16)
            assert part, came
            came += part
        assert came.count(b'"finish_reason":"stop"') == 2
        connection.close()
    until(lambda: not runs(llm))


def test_a_model_that_computes_no_numbers(make_llm: Make, serve: Serve, tmp_path: Path) -> None:
    """Whoever asks a damaged model hears of it; whoever asks another one does not."""
    path = models.write(tmp_path / "nan.gguf")
    first = bytes(GgufFile(path).read("token_embd.weight"))[:64]
    damaged = bytearray(path.read_bytes())
    begin = damaged.index(first)
    damaged[begin : begin + 4] = np.float32(np.nan).tobytes()
    path.write_bytes(damaged)
    with LLM(path) as broken:
        client = serve({"good": make_llm("Good."), "bad": broken})
        for stream in (False, True):
            answer = client.post(
                CHAT, {"model": "bad", "messages": HELLO, "max_tokens": 4, "stream": stream}
            )
            assert answer.status == (200 if stream else 500)
            error = answer.events[-1][1]["error"] if stream else answer.json["error"]
            assert error["message"].startswith("the model produced a logit that is not finite")
            assert client.post(CHAT, {"model": "good", "messages": HELLO}).status == 200
        assert client.get("/health").status == 200


EXPLOSIVE = {
    "type": "object",
    "properties": {f"p{i}": {"$ref": "#/$defs/a"} for i in range(1500)},
    "$defs": {
        name: {"allOf": [{"$ref": f"#/$defs/{after}"}] * 9}
        for name, after in zip("abcdefgh", "bcdefghi", strict=True)
    }
    | {"i": {"type": "string", "pattern": "(a|b)*c{500}"}},
}


def test_a_schema_that_explodes(make_llm: Make, serve: Serve) -> None:
    client = serve(make_llm("Good."))
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": EXPLOSIVE}}
    answer = client.post(CHAT, {"messages": HELLO, "response_format": wanted})
    assert answer.status == 400
    assert answer.json["error"]["message"]
    for regex in ("(a{1000}){1000}", "(" * 5000):
        assert client.post(CHAT, {"messages": HELLO, "regex": regex}).status == 400
    assert client.post(CHAT, {"messages": HELLO}).status == 200


@pytest.mark.skipif(sys.platform == "win32", reason="needs descriptors")
def test_idle_connections_in_great_numbers(make_llm: Make, serve: Serve) -> None:
    """Here so many as this process, which has both ends, may have; 10,000 below."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    n = 1000
    if hard < 2 * n + 500:
        pytest.skip(f"a process may have {hard} descriptors")
    client = serve(make_llm("Good."), options=ServerOptions(connections=n))
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * n + 500), hard))
    idle = [client.connect() for _ in range(n)]
    try:
        for _ in range(5):
            assert client.post(CHAT, {"messages": HELLO}).status == 200
    finally:
        for each in idle:
            each.close()


def test_a_byte_a_second(make_llm: Make, serve: Serve) -> None:
    client = serve(make_llm("Good."), options=ServerOptions(head_s=0.5, body_s=0.5))
    ended = []

    def trickle(text: bytes) -> None:
        with client.connect() as connection:
            try:
                for byte in text:
                    connection.sendall(bytes([byte]))
                    time.sleep(0.05)
            except ConnectionError:
                ended.append(text)

    head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n".encode()
    body = head + b"content-length: 1000\r\n\r\n" + b" " * 1000
    threads = [threading.Thread(target=trickle, args=[text]) for text in (head, body)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert client.post(CHAT, {"messages": HELLO}).status == 200
    assert len(ended) == 2
