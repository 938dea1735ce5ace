"""Who may ask: hosts, origins and keys, checked before anything else and on every path.

A web page may send requests to any server that its reader's browser reaches. The browser says
from where in `Origin`, which has to be the server's own or one that was allowed. A page whose name
was made to point here after it was loaded (DNS rebinding) has the server's own origin, but it has
its own name in `Host`, which has to be one of the server's.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pestle.server.endpoint import Dialect, Refusal
from pestle.server.errors import ApiError
from pestle.server.options import ServerOptions
from pestle.server.page.assets import is_public

_OPEN = frozenset({"/health"})  # without a key: whoever watches over a server has none
_PREFLIGHT_S = 600  # how long a browser may remember that it may ask


class Access:
    """ASGI middleware that lets a request through, or says why not."""

    def __init__(
        self, app: ASGIApp, options: ServerOptions, dialect_of: Callable[[str], Dialect]
    ) -> None:
        """`dialect_of` says how errors are told on a path."""
        self._app = app
        self._options = options
        self._dialect_of = dialect_of
        self._hosts = {name.lower() for name in options.hosts}
        self._origins = {origin.rstrip("/").lower() for origin in options.origins}
        # Of one length, so that comparing takes as long for each.
        self._keys = {name: _digest(key) for name, key in options.keys.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # the start and the end of the application
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            host = self._checked_host(headers, scope)
            origin = self._checked_origin(headers, host)
            if origin is not None:
                send = _allowing(origin, send)
                if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
                    await _answer_preflight(headers, send)
                    return
            client = self._checked_key(headers, scope["path"])
        except ApiError as error:
            refusal = Refusal(self._dialect_of(scope["path"]), error, self._options)
            await refusal(scope, receive, send)
            return
        if client is not None:
            scope["pestle.client"] = client
        await self._app(scope, receive, send)

    def _checked_host(self, headers: Headers, scope: Scope) -> str:
        host = headers.get("host", "").lower()
        if not host and "host" not in headers:
            return host  # HTTP/1.0, as health checks speak it: no browser does
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            name = ""
        if name in self._hosts or name == "localhost" or name.endswith(".localhost"):
            return host
        address = _address(name)
        if address is not None and (address.is_loopback or _came_from_outside(scope)):
            return host
        raise ApiError(
            403,
            f"the Host header is {host[:100]!r}, which is none of this server's names; "
            f"`pestle serve --allow-host {name[:100]}` allows it",
            code="host_not_allowed",
        )

    def _checked_origin(self, headers: Headers, host: str) -> str | None:
        """The origin, if it is another one than the server's own and allowed."""
        origin = headers.get("origin")
        if origin is None:
            return None
        if origin.lower() in self._origins:
            return origin
        try:
            own = urlsplit(origin.lower()).netloc == host
        except ValueError:
            own = False
        if own:
            return None
        if origin == "null":
            said = "pages that have no origin of their own, such as files, may not use this server"
            raise ApiError(403, said, code="origin_not_allowed")
        raise ApiError(
            403,
            f"pages of {origin[:100]!r} may not use this server; "
            f"`pestle serve --cors {origin[:100]}` allows them to",
            code="origin_not_allowed",
        )

    def _checked_key(self, headers: Headers, path: str) -> str | None:
        """Whose key it is; None where none is demanded."""
        if not self._keys or path in _OPEN or is_public(path, headers.get("accept", "")):
            return None
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            given = headers.get("x-api-key", "")
        digest = _digest(given.strip())
        found = None
        for name, key in self._keys.items():  # all of them, also behind the right one
            if hmac.compare_digest(digest, key):
                found = name
        if found is not None:
            return found
        said = "the API key is not one of this server's" if given else "an API key is demanded"
        raise ApiError(
            401,
            f"{said}; send it as `Authorization: Bearer KEY` or `x-api-key: KEY`",
            code="invalid_api_key",
        )


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return None


def _came_from_outside(scope: Scope) -> bool:
    """Whether the connection came to another address than loopback.

    Then any address may be in Host: a container does not know under which one it is reached, and
    rebinding takes a name.
    """
    server: Any = scope.get("server")
    address = _address(server[0]) if server else None
    return address is not None and not address.is_loopback


def _allowing(origin: str, send: Send) -> Send:
    """`send` with the headers by which a browser lets pages of `origin` read an answer."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["access-control-allow-origin"] = origin
            headers["access-control-expose-headers"] = "retry-after, request-id, x-request-id"
            headers.add_vary_header("origin")
        await send(message)

    return sending


async def _answer_preflight(headers: Headers, send: Send) -> None:
    allowed = {
        "access-control-allow-methods": "GET, HEAD, POST",
        "access-control-max-age": str(_PREFLIGHT_S),
        "content-length": "0",
    }
    asked = headers.get("access-control-request-headers")
    if asked is not None:
        allowed["access-control-allow-headers"] = asked
    if headers.get("access-control-request-private-network") == "true":
        allowed["access-control-allow-private-network"] = "true"
    await send({
        "type": "http.response.start",
        "status": 204,
        "headers": [(k.encode("latin-1"), v.encode("latin-1")) for k, v in allowed.items()],
    })  # fmt: skip
    await send({"type": "http.response.body", "body": b""})
