"""HTTP/1.1 on a connection: uvicorn's, with a bound on what one may take."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol

from pestle.server.options import ServerOptions

_HEAD_BYTES = 64 << 10  # of a request's first line and headers


class Settings(Config):
    """What uvicorn is told, and what its connections have in common."""

    def __init__(self, app: Any, options: ServerOptions) -> None:
        super().__init__(
            app,
            http=BoundedProtocol,
            ws="none",
            loop="asyncio",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=cast(int, options.idle_s),  # any number of seconds will do
            h11_max_incomplete_event_size=_HEAD_BYTES,
        )
        self.options = options
        self.connections = options.connections
        """Open ones that there may be."""
        self.idle: dict[BoundedProtocol, None] = {}
        """Connections without a request, the one that has been so for longest first."""


class BoundedProtocol(H11Protocol):
    """A connection that has to get on.

    The head of a request has to come in time, an idle one is closed when the server has too many,
    and a client that does not read is not waited for.
    """

    config: Settings

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        idle = self.config.idle
        idle[self] = None
        self._expect_head()
        if len(self.connections) > self.config.connections:
            next(iter(idle)).drop()  # there is one: this connection itself

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_asking():
            self._forget_head()
            self.config.idle.pop(self, None)
        elif self._head is None and not self.transport.is_closing():
            self._expect_head()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._is_asking() and not self.transport.is_closing():
            self.config.idle[self] = None

    def connection_lost(self, exc: Exception | None) -> None:
        self.config.idle.pop(self, None)
        self._forget_head()
        self._forget_reading()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_reading()

    def resume_writing(self) -> None:
        self._forget_reading()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._expect_reading()  # what is not read keeps even a closed connection

    def drop(self) -> None:
        """Close it at once."""
        self.config.idle.pop(self, None)
        self.transport.abort()

    def _is_asking(self) -> bool:
        """Whether a request has begun whose answer is not complete."""
        return self.cycle is not None and not self.cycle.response_complete

    def _expect_head(self) -> None:
        self._head = self.loop.call_later(self.config.options.head_s, self.drop)

    def _forget_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _expect_reading(self) -> None:
        self._forget_reading()
        self._reading = self.loop.call_later(self.config.options.stall, self.drop)

    def _forget_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
