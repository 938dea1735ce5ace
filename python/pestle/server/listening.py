"""An application on addresses of this machine, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

from starlette.applications import Starlette
from uvicorn import Server

from pestle.errors import Error
from pestle.server import descriptors, systemd
from pestle.server.protocol import Settings
from pestle.server.service import Service

_UNREAD_BYTES = 128 << 10
_AFTER_GRACE = 3  # seconds in which streams that were ended have to be gone


def bind(host: str, port: int) -> list[socket.socket]:
    """Take the addresses of a host; port 0 is any free one, the same of each.

    Nothing is accepted yet. Raises Error where they cannot be had.
    """
    bound: list[socket.socket] = []
    missing = OSError(errno.EADDRNOTAVAIL, "no address")
    try:
        kind = socket.SOCK_STREAM
        known = socket.getaddrinfo(host, port, type=kind, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in dict.fromkeys(known):
            if bound:
                address = (address[0], bound[0].getsockname()[1], *address[2:])
            try:
                bound.append(_bound(family, address))
            except OSError as error:
                # A system without IPv6 may name ::1 for localhost all the same.
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                missing = error
        if not bound:
            raise missing
    except (OSError, UnicodeError) as error:
        for each in bound:
            each.close()
        raise Error(_said(error, host, port)) from error
    return bound


def _bound(family: int, address: Any) -> socket.socket:
    taken = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # what a server before this one has left behind does not matter
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # Connections inherit it: what clients do not read costs the system so much.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNREAD_BYTES)
        taken.bind(address)
    except BaseException:
        taken.close()
        raise
    return taken


def _said(error: OSError | UnicodeError, host: str, port: int) -> str:
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if isinstance(error, socket.gaierror | UnicodeError):
        return f"there is no host {host!r} that one could listen at"
    if error.errno == errno.EADDRINUSE:
        return f"{where} is in use by another program; another port, or 0 for any, may be free"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is not an address of this machine"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"no permission to listen at {where}"
    return f"nothing can listen at {where}: {error.strerror or error}"


class Listener(Server):
    """Serves an application; `stop` ends that, from any thread or signal handler."""

    def __init__(self, app: Starlette, grace: float, on_start: Callable[[], None]) -> None:
        """`app` as `create_app` makes it.

        `grace`: seconds that answers in progress have when it is stopped; then each stream ends
        with its dialect's error. `on_start` is called once requests are accepted; what it raises
        ends the server, and `run` raises it.
        """
        service: Service = app.state.service
        self._settings = Settings(app, service.options)
        super().__init__(self._settings)
        self._settings.timeout_graceful_shutdown = round(grace) + _AFTER_GRACE
        self._service = service
        self._grace = grace
        self._on_start = on_start
        self._failed: Exception | None = None

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until it is stopped."""
        super().run(sockets)
        if self._failed is not None:
            raise self._failed

    def stop(self) -> None:
        """Accept nothing more, and end once the answers in progress have ended."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._settings.connections = descriptors.raise_limit(self._settings.connections)
        await super().startup(sockets)
        if self.started:
            systemd.notify("READY=1")
            try:
                self._on_start()
            except Exception as error:
                self._failed = error
                asyncio.get_running_loop().call_soon(self.stop)  # once it runs, to end in order

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        systemd.notify("STOPPING=1")
        self._service.end_after(self._grace)
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """What signals do is the business of whoever listens."""
        yield
