"""A server on a real port, and a plain client of it."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pestle.server.listening import Listener, bind


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[tuple[str | None, Any]]:
        """The server-sent events: name and data, which is JSON or text. Comments are left out."""
        found: list[tuple[str | None, Any]] = []
        for block in self.body.decode().split("\n\n"):
            lines = [line.partition(": ") for line in block.splitlines()]
            fields = {name: value for name, _, value in lines if name}
            if "data" in fields:
                data = fields["data"]
                known = data if data.startswith("[DONE]") else json.loads(data)
                found.append((fields.get("event"), known))
        return found


@dataclass
class Client:
    """Asks a server on this machine."""

    port: int
    listener: Listener

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        given = {"content-type": "application/json", **(headers or {})} if body is not None else {}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        try:
            connection.request(method, path, body, given or (headers or {}))
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()

    def post(self, path: str, body: Any, **headers: str) -> Answer:
        return self.request("POST", path, body, headers)

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", path, headers=headers)

    def connect(self) -> socket.socket:
        """A connection for what no client's library would send."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def begin(self, path: str, body: Any) -> socket.socket:
        """A connection on which that was asked and nothing read."""
        connection = self.connect()
        text = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
            f"content-length: {len(text)}\r\n\r\n"
        )
        connection.sendall(head.encode() + text)
        return connection


@contextmanager
def serving(app: Any, grace: float = 8.0, port: int = 0) -> Iterator[Client]:
    """`app` on a port of this machine, 0 for any, until the context is left."""
    (taken,) = bind("127.0.0.1", port)
    started = threading.Event()
    listener = Listener(app, grace, started.set)
    thread = threading.Thread(target=listener.run, args=([taken],))
    thread.start()
    try:
        assert started.wait(60)
        yield Client(taken.getsockname()[1], listener)
    finally:
        listener.stop()
        thread.join()
