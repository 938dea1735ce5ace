"""A Hugging Face hub on 127.0.0.1: the part of its protocol that downloading models uses."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


@dataclass
class Repo:
    """A repository and how the hub treats whoever asks for it."""

    files: dict[str, bytes]
    commit: str = "c" * 40
    token: str | None = None  # who may read the files; None: everybody
    gated: bool = False
    listed_digests: dict[str, str] = field(default_factory=dict)  # instead of the true ones
    outside_lfs: frozenset[str] = frozenset()  # files that git itself holds


@dataclass
class Request:
    """What a client asked for."""

    method: str
    path: str
    range: str | None
    authorization: str | None
    host: str


class HubStandIn:
    """The server; change its attributes to make it misbehave."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.requests: list[Request] = []
        self.cuts: list[int] = []  # each download consumes one: bytes sent before the line drops
        self.api_statuses: list[int] = []  # each listing consumes one and has that status, if not 0
        self.file_statuses: list[int] = []  # each download consumes one, as above
        self.listing: bytes | None = None  # instead of the true one, in every answer
        self.error_body = b""  # what comes with a status of `api_statuses` or `file_statuses`
        self.ranges = True  # False: ignores Range, always sends everything
        self.answered_range: str | None = None  # instead of the true Content-Range
        self.content_host: str | None = None  # where downloads are redirected to
        self._server = _Server(("127.0.0.1", 0), _handler_for(self))
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> HubStandIn:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def downloads(self) -> list[Request]:
        """The requests that asked for the bytes of a file."""
        return [r for r in self.requests if r.method == "GET" and "/resolve/" in r.path]


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that has enough of a file goes away: nothing to tell."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


def _handler_for(hub: HubStandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._serve(with_body=True)

        def do_HEAD(self) -> None:
            self._serve(with_body=False)

        def _serve(self, with_body: bool) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.requests.append(
                Request(
                    self.command,
                    path,
                    self.headers["Range"],
                    self.headers["Authorization"],
                    self.headers["Host"],
                )
            )
            is_api = path.startswith("/api/")
            statuses = hub.api_statuses if is_api else hub.file_statuses
            status = statuses.pop(0) if statuses else 0
            if status:
                self._answer(status, hub.error_body, {})
            elif path.startswith("/api/models/"):
                self._list(path.removeprefix("/api/models/").partition("/revision/")[0])
            elif path.startswith("/content/"):
                self._send_file(path.removeprefix("/content/"), with_body)
            else:
                self._resolve(path, with_body)

        def _list(self, name: str) -> None:
            if hub.listing is not None:
                self._answer(200, hub.listing, {"Content-Type": "application/json"})
                return
            repo = hub.repos.get(name)
            if repo is None:
                self._answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})
                return
            siblings = []
            for file, data in repo.files.items():
                lfs = {"sha256": _digest(repo, file), "size": len(data), "pointerSize": 134}
                facts = {"blobId": lfs["sha256"]} if file in repo.outside_lfs else {"lfs": lfs}
                siblings.append({"rfilename": file, "size": len(data), **facts})
            body = {"id": name, "sha": repo.commit, "siblings": siblings, "tags": []}
            self._answer(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

        def _resolve(self, path: str, with_body: bool) -> None:
            name, _, rest = path.lstrip("/").partition("/resolve/")
            file = rest.partition("/")[2]
            repo = hub.repos.get(name)
            if repo is None:
                self._answer(404, b"", {"X-Error-Code": "RepoNotFound"})
            elif repo.token and self.headers["Authorization"] != f"Bearer {repo.token}":
                code = "GatedRepo" if repo.gated else "RepoNotFound"
                self._answer(401, b"", {"X-Error-Code": code})
            elif file not in repo.files:
                self._answer(404, b"", {"X-Error-Code": "EntryNotFound"})
            elif hub.content_host:
                place = f"http://{hub.content_host}:{hub.port}/content/{name}/{file}"
                self._answer(302, b"", {**self._facts(repo, file), "Location": place})
            else:
                self._send_file(f"{name}/{file}", with_body)

        def _facts(self, repo: Repo, file: str) -> dict[str, str]:
            digest = _digest(repo, file)
            return {
                "X-Repo-Commit": repo.commit,
                "ETag": f'"{digest}"',
                "X-Linked-Etag": f'"{digest}"',
                "X-Linked-Size": str(len(repo.files[file])),
            }

        def _send_file(self, path: str, with_body: bool) -> None:
            user, name, file = path.split("/", 2)
            repo = hub.repos[f"{user}/{name}"]
            data = repo.files[file]
            headers = self._facts(repo, file)
            wanted = self.headers["Range"]
            status, first, last = 200, 0, len(data) - 1
            if wanted and hub.ranges:
                begin, _, end = wanted.removeprefix("bytes=").partition("-")
                first, last = int(begin), min(int(end or last), last)
                status = 206
                answered = hub.answered_range or f"bytes {first}-{last}/{len(data)}"
                headers["Content-Range"] = answered
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(last + 1 - first)}.items():
                self.send_header(key, value)
            self.end_headers()
            if not with_body:
                return
            body = data[first : last + 1]
            if hub.cuts:
                self.wfile.write(body[: hub.cuts.pop(0)])
                self.wfile.flush()
                self.close_connection = True
                return
            self.wfile.write(body)

        def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for key, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(key, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


def _digest(repo: Repo, file: str) -> str:
    if file in repo.listed_digests:
        return repo.listed_digests[file]
    data = repo.files[file]
    if file in repo.outside_lfs:
        return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    return hashlib.sha256(data).hexdigest()
