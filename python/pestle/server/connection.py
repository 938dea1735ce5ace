"""One request over ASGI: its body, its answer, and whether its client is still there."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Coroutine, Mapping
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from pestle.server.errors import ApiError
from pestle.server.options import ServerOptions
from pestle.server.room import Room


class ClientLeftError(Exception):
    """There is nobody who could be answered."""


class Connection:
    """What an endpoint knows of its client."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, options: ServerOptions) -> None:
        self.headers = Headers(scope=scope)
        address = scope.get("client")
        self.client: str = scope.get("pestle.client") or (address[0] if address else "")
        self.id = f"req_{secrets.token_hex(12)}"
        self._receive = receive
        self._send = send
        self._options = options
        self._sending: float | None = None  # since when the client does not read

    async def body(self, room: Room) -> bytes:
        """The whole body, which has to be JSON. Raises ApiError and ClientLeftError."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            said = f"the content type is {kind[:80]!r}, expected application/json"
            raise ApiError(415, said)
        try:
            return await asyncio.wait_for(self._read(room), self._options.body_s)
        except asyncio.TimeoutError:
            said = f"the body has not come within {self._options.body_s:g} seconds"
            raise ApiError(408, said) from None

    async def _read(self, room: Room) -> bytes:
        most = self._options.body_bytes
        said = f"the body is longer than {most} bytes"
        length = self.headers.get("content-length", "")
        if length.isdigit() and int(length[:20]) > most:
            raise ApiError(413, said)
        parts, size = [], 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientLeftError
            part = message.get("body", b"")
            size += len(part)
            if size > most:
                raise ApiError(413, said)
            room.take(len(part))
            parts.append(part)
            if not message.get("more_body"):
                return b"".join(parts)

    async def while_there(self, answering: Coroutine[Any, Any, None]) -> None:
        """Have it answered, as long as the client is there and reads. Raises as `answering`."""
        task = asyncio.ensure_future(answering)
        watching = asyncio.ensure_future(self._gone())
        try:
            await asyncio.wait({task, watching}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            watching.cancel()
            if not task.done():
                task.cancel()
            await asyncio.wait({task})
        if not task.cancelled():
            task.result()

    async def _gone(self) -> None:
        """Wait until the client has left, or has not read for too long."""
        receiving = asyncio.ensure_future(self._receive())
        try:
            while True:
                done, _ = await asyncio.wait({receiving}, timeout=self._options.stall / 4)
                if done:  # nothing but the end comes behind the body
                    return
                since = self._sending
                if since is not None and time.monotonic() - since > self._options.stall:
                    return
        finally:
            receiving.cancel()

    async def begin(self, status: int, media_type: str, headers: Mapping[str, str]) -> None:
        """Send the head of an answer that comes in pieces."""
        fields = {"content-type": media_type, "cache-control": "no-store", **headers}
        fields.setdefault("x-accel-buffering", "no")  # nginx would collect the pieces
        await self._send({
            "type": "http.response.start",
            "status": status,
            "headers": [(k.encode(), v.encode()) for k, v in fields.items()],
        })  # fmt: skip

    async def send(self, piece: bytes) -> None:
        """Send a piece, as soon as the client has read enough of what went before."""
        self._sending = time.monotonic()
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        self._sending = None

    async def end(self) -> None:
        """The last piece was sent."""
        await self._send({"type": "http.response.body", "body": b""})

    async def reply(
        self,
        status: int,
        body: bytes,
        media_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send a whole answer."""
        fields = {
            "content-type": media_type,
            "content-length": str(len(body)),
            **(headers or {}),
        }
        await self._send({
            "type": "http.response.start",
            "status": status,
            "headers": [(k.encode("latin-1"), v.encode("latin-1")) for k, v in fields.items()],
        })  # fmt: skip
        await self._send({"type": "http.response.body", "body": body})
