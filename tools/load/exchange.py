"""One request over a socket of its own: well read, left half-way, or never read."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import h11

_SMALL = 4096  # bytes of a socket's buffer whose owner never reads


@dataclass(frozen=True)
class Address:
    """Where a server listens, and what it wants to be told."""

    port: int
    host: str = "127.0.0.1"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass
class Answer:
    """What came back. Times are those of `time.perf_counter`, in seconds.

    pieces  of the body, each with the time at which it came
    whole   the answer came to its end; without that, status is 0 where not even its head came
    """

    began: float
    ended: float = 0.0
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    pieces: list[tuple[float, bytes]] = field(default_factory=list)
    whole: bool = False

    @property
    def body(self) -> bytes:
        return b"".join(piece for _, piece in self.pieces)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def lines(self) -> Iterator[tuple[float, bytes]]:
        """The lines of the body, each with the time at which its end came."""
        rest = b""
        for at, piece in self.pieces:
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                yield at, line

    def events(self) -> Iterator[tuple[float, Any]]:
        """The JSON of a stream: of server-sent events, or of a line each."""
        for at, line in self.lines():
            text = line.removeprefix(b"data: ")
            if text.startswith(b"{"):
                yield at, json.loads(text)


async def ask(
    address: Address,
    path: str,
    body: Any,
    *,
    reads: bool = True,
    leave: float | None = None,
    until: asyncio.Event | None = None,
    notice: tuple[int, asyncio.Event] | None = None,
) -> Answer:
    """Post `body` as JSON and take the answer.

    The client breaks the connection off after `leave` seconds, or when `until` is set. Unless it
    `reads`, nothing is taken from the socket. `notice`: an event to be set once so many pieces have
    come. Raises OSError where nobody listens.
    """
    loop = asyncio.get_running_loop()
    end = asyncio.Event()
    wire = _Wire(end, reads, notice)
    transport, _ = await loop.create_connection(lambda: wire, sock=await _connected(address, wire))
    answer = Answer(time.perf_counter())
    transport.write(_request(address, path, json.dumps(body).encode()))
    waiting = [asyncio.ensure_future(each.wait()) for each in (end, until) if each is not None]
    try:
        await asyncio.wait(waiting, timeout=leave, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()
        transport.abort()
    _read(answer, wire.received)
    return answer


async def _connected(address: Address, wire: _Wire) -> socket.socket:
    sock = socket.socket()
    sock.setblocking(False)
    if not wire.reads:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALL)
    try:
        await asyncio.get_running_loop().sock_connect(sock, (address.host, address.port))
    except BaseException:
        sock.close()
        raise
    return sock


def _request(address: Address, path: str, body: bytes) -> bytes:
    head = [
        f"POST {path} HTTP/1.1",
        f"host: {address.host}:{address.port}",
        "content-type: application/json",
        f"content-length: {len(body)}",
        "connection: close",
        *(f"{name}: {value}" for name, value in address.headers),
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


class _Wire(asyncio.Protocol):
    """Notes what comes, and when. It is taken apart at the end: that costs nobody his time."""

    def __init__(
        self, end: asyncio.Event, reads: bool, notice: tuple[int, asyncio.Event] | None
    ) -> None:
        self.reads = reads
        self.received: list[tuple[float, bytes]] = []
        self._end = end
        self._notice = notice

    def connection_made(self, transport: Any) -> None:
        if not self.reads:
            transport.pause_reading()

    def data_received(self, data: bytes) -> None:
        self.received.append((time.perf_counter(), data))
        if self._notice is not None and len(self.received) == self._notice[0]:
            self._notice[1].set()

    def connection_lost(self, error: Exception | None) -> None:
        self._end.set()


def _read(answer: Answer, received: list[tuple[float, bytes]]) -> None:
    """Take HTTP apart."""
    http = h11.Connection(h11.CLIENT)
    http.send(h11.Request(method="POST", target="/", headers=[("host", "x")]))
    http.send(h11.EndOfMessage())
    answer.ended = received[-1][0] if received else time.perf_counter()
    for at, data in received:
        http.receive_data(data)
        while (event := http.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
            if isinstance(event, h11.Response):
                answer.status = event.status_code
                answer.headers = {name.decode(): value.decode() for name, value in event.headers}
            elif isinstance(event, h11.Data):
                answer.pieces.append((at, bytes(event.data)))
            elif isinstance(event, h11.EndOfMessage):
                answer.whole = True
            elif isinstance(event, h11.ConnectionClosed):
                break
