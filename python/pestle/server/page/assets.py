"""The built files of web/, as a browser gets them."""

from __future__ import annotations

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

_FOLDER = Path(__file__).parent / "assets"
_INDEX = "index.html"
# Not guessed by `mimetypes`, which asks the registry on Windows.
_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
# Scripts and styles are files of this server, and nothing else is ever loaded from anywhere. HTML
# in strings becomes elements only through DOMPurify (Trusted Types).
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types dompurify pestle"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    # Browsers look up the names in links before anybody clicks them.
    "x-dns-prefetch-control": "off",
}
_FOR_EVER = "public, max-age=31536000, immutable"  # a file of other bytes has another name


def wants_page(accept: str) -> bool:
    """Whether a browser asks that shows pages, by its Accept header."""
    return "text/html" in accept.lower()


def is_public(path: str, accept: str) -> bool:
    """Whether a key is not demanded: the page has to be there to ask for one."""
    if path == "/":
        return wants_page(accept)
    return path.startswith("/page/") and not path.startswith("/page/api/")


def index(request: Request, otherwise: str) -> Response:
    """The page for browsers; for other programs, the text `otherwise`."""
    if not wants_page(request.headers.get("accept", "")):
        return PlainTextResponse(otherwise, headers={"vary": "accept"})
    return _file(_INDEX, "no-cache", {"vary": "accept"})


async def asset(request: Request) -> Response:
    """One of the page's files."""
    name = request.path_params["name"]
    if name == _INDEX or name not in _names():
        raise HTTPException(404)
    return _file(name, "no-cache" if "-" not in name else _FOR_EVER, {})


def _names() -> frozenset[str]:
    return frozenset(path.name for path in _FOLDER.iterdir())


def _file(name: str, cache: str, more: dict[str, str]) -> Response:
    path = _FOLDER / name
    headers = {**_HEADERS, "cache-control": cache, **more}
    return FileResponse(path, headers=headers, media_type=_TYPES[path.suffix])
