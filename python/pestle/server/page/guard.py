"""Who may manage the server: a browser on this machine, at this server's own page.

`Access` has let the request through: its host is one of the server's, and a key was given where
one is demanded. Managing asks for more. A page of another origin, also one that
`ServerOptions.cors` allows, is told from ours by `Origin`, which browsers send with every POST. A
proxy on this machine that others reach is told by the name in `Host`. The token is a secret of this
start that only a page of the server's own origin can have read.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from pestle.server.errors import ApiError

TOKEN_HEADER = "x-pestle-token"


class Guard:
    """Checks requests of the page; `token` is that of this start."""

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(32)

    def check_origin(self, scope: Scope) -> None:
        """Raise ApiError unless a page of this server asks, in a browser on this machine."""
        headers = Headers(scope=scope)
        host = headers.get("host", "").lower()
        client = scope.get("client")
        if client is None or not _is_loopback(client[0]) or not _names_this_machine(host):
            said = "only a browser on the server's own machine, at its address there, may ask this"
            raise ApiError(403, said, code="page_elsewhere")
        if urlsplit(headers.get("origin", "").lower()).netloc != host:
            raise ApiError(403, "only the server's own page may ask this", code="page_origin")

    def check(self, scope: Scope) -> None:
        """`check_origin`, and that the page was loaded from this start of the server."""
        self.check_origin(scope)
        given = Headers(scope=scope).get(TOKEN_HEADER, "")
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            said = f"{TOKEN_HEADER} is not the token of this start: load the page again"
            raise ApiError(403, said, code="page_token")


def _names_this_machine(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname or ""
    return name == "localhost" or name.endswith(".localhost") or _is_loopback(name)


def _is_loopback(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback
