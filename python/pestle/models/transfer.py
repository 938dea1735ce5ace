"""One file over HTTP into a partial file on disk, resumed where it stopped, digest included.

`huggingface_hub` 2 starts an interrupted file from its beginning and trusts its size alone. Models
are many gigabytes, so Pestle moves the bytes itself, through the library's session and headers
(which carry proxies, token and user agent).
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pestle import files
from pestle.errors import DownloadError
from pestle.models.hub_errors import raise_for_status, transport_error

if TYPE_CHECKING:
    from hashlib import _Hash

_CHUNK = 1 << 20
# A content network may refuse to send more than 50 GB in one response.
_SEGMENT = 1 << 33
PASSING_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
"""What a server says that may answer the next time."""
_ATTEMPTS = 5  # in a row without a single new byte


@dataclass(frozen=True)
class RemoteFile:
    """A file as the hub lists it."""

    name: str  # path inside the repository
    size: int  # bytes
    digest: str  # sha256 of its bytes in hex, or git's sha1 of small files outside LFS

    def hasher(self) -> _Hash:
        """A hash object that ends at `digest` when it has seen the right bytes."""
        if len(self.digest) == 64:
            return hashlib.sha256()
        return hashlib.sha1(f"blob {self.size}\0".encode(), usedforsecurity=False)


class Transfer:
    """The download of one file into `part`, which may hold the beginning already."""

    def __init__(
        self,
        file: RemoteFile,
        url: str,
        headers: Mapping[str, str],
        part: Path,
        advance: Callable[[int], None],
    ) -> None:
        self._file = file
        self._url = url
        self._headers = {**headers, "Accept-Encoding": "identity"}
        self._part = part
        self._advance = advance
        self._hash = file.hasher()
        self._have = 0  # bytes in `part`, all hashed

    def run(self) -> None:
        """Complete `part` and check it. Interrupted by anything, it stays for the next attempt.

        Raises DownloadError when the digest is wrong (`part` is removed then) and the errors of
        `huggingface_hub` and its HTTP library when the server or the network fails for good.
        """
        files.make_folders(self._part.parent)
        with files.opened(self._part) as out:
            identity = files.identity_of_open(out)
            self._take_over(out)
            self._receive_all(out)
        found = self._hash.hexdigest()
        if found != self._file.digest:
            files.remove_file(self._part, identity)
            raise DownloadError(
                f"{self._file.name} has digest {found}, expected {self._file.digest}; "
                "the file was removed"
            )

    def _take_over(self, out: IO[bytes]) -> None:
        out.seek(0)
        while chunk := out.read(_CHUNK):
            self._count(chunk)
        if self._have > self._file.size:
            self._begin_again(out)

    def _receive_all(self, out: IO[bytes]) -> None:
        from huggingface_hub.errors import HfHubHTTPError

        lost = transport_error()
        failures = 0
        while self._have < self._file.size:
            before = self._have
            failure: Exception | None = None
            try:
                self._receive(out)
            except HfHubHTTPError as error:
                if error.response.status_code not in PASSING_STATUSES:
                    raise
                failure = error
            except lost as error:
                failure = error
            if self._have > before:
                failures = 0
                continue
            failures += 1
            if failures == _ATTEMPTS:
                raise failure or DownloadError(
                    f"{self._url}: the server stopped at byte {self._have} of {self._file.size}"
                )
            time.sleep(2 ** (failures - 1))

    def _receive(self, out: IO[bytes]) -> None:
        from huggingface_hub import constants, get_session

        last = min(self._have + _SEGMENT, self._file.size) - 1
        headers = {**self._headers, "Range": f"bytes={self._have}-{last}"}
        timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
        with get_session().stream("GET", self._url, headers=headers, timeout=timeout) as response:
            raise_for_status(response)
            self._align(out, response.status_code, response.headers.get("Content-Range", ""))
            # As they come: collecting larger chunks would lose them when the line drops.
            for chunk in response.iter_bytes():
                if self._have + len(chunk) > self._file.size:
                    raise DownloadError(
                        f"{self._file.name}: the server sends more than {self._file.size} bytes"
                    )
                out.write(chunk)
                self._count(chunk)

    def _align(self, out: IO[bytes], status: int, content_range: str) -> None:
        """Make sure that the body begins where `part` ends."""
        if status == 200 and self._have:
            self._begin_again(out)
            return
        start = re.match(r"bytes (\d+)-", content_range)
        if status == 206 and (start is None or int(start[1]) != self._have):
            raise DownloadError(
                f"{self._url}: asked for byte {self._have}, the server sends {content_range!r}"
            )

    def _begin_again(self, out: IO[bytes]) -> None:
        out.seek(0)
        out.truncate()
        self._advance(-self._have)
        self._hash = self._file.hasher()
        self._have = 0

    def _count(self, chunk: bytes) -> None:
        self._hash.update(chunk)
        self._have += len(chunk)
        self._advance(len(chunk))
