"""A line for each request: whose it was, what it asked for, how it ended and what it took."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("pestle.server.access")


class AccessLog:
    """ASGI middleware that logs requests, without what they say."""

    def __init__(self, app: ASGIApp, responded: Callable[[int], None]) -> None:
        """`responded` hears of each status, also where nothing is logged."""
        self._app = app
        self._responded = responded

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.monotonic()
        status, ended = 0, False

        async def sending(message: Message) -> None:
            nonlocal status, ended
            if message["type"] == "http.response.start":
                status = message["status"]
                self._responded(status)
            elif not message.get("more_body"):
                ended = True
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            address = scope.get("client")
            whose = scope.get("pestle.client") or (address[0] if address else "-")
            took = time.monotonic() - begun
            left = "" if ended else ", not to its end"
            path = quote(scope["path"])  # as it came: it may hold line ends
            log.info("%s %s %s %s, %.3f s%s", whose, scope["method"], path, status, took, left)
