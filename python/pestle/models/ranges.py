"""Parts of a file on the hub, asked for by HTTP ranges and counted, whatever the server sends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from pestle.errors import DownloadError
from pestle.models.hub_errors import raise_for_status, transport_error
from pestle.models.transfer import PASSING_STATUSES, RemoteFile

_ATTEMPTS = 3  # in a row without a single new byte


class RemoteParts:
    """The bytes of one file in the version `commit` of `repo`; `received` counts what came."""

    def __init__(self, repo: str, commit: str, file: RemoteFile) -> None:
        from huggingface_hub import hf_hub_url
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

        self.file = file
        self.received = 0
        self._url = hf_hub_url(repo, file.name, revision=commit)
        self._headers = {**build_hf_headers(library_name="pestle"), "Accept-Encoding": "identity"}

    def read(self, first: int, size: int) -> bytes:
        """`size` bytes from `first` on. Raises as `stream` does."""
        return b"".join(self.stream(first, size))

    def stream(self, first: int, size: int) -> Iterator[bytes]:
        """`size` bytes from `first` on as they come, so that the caller may stop.

        A line that drops is taken up where it did. Raises DownloadError, and the errors of
        `huggingface_hub` and its HTTP library when the server or the network fails for good.
        """
        from huggingface_hub.errors import HfHubHTTPError

        lost = transport_error()
        at, end, failures = first, first + size, 0
        while at < end:
            before = at
            failure: Exception | None = None
            try:
                for chunk in self._answer(at, end):
                    at += len(chunk)
                    yield chunk
            except HfHubHTTPError as error:  # which is one of the others too
                if error.response.status_code not in PASSING_STATUSES:
                    raise
                failure = error
            except lost as error:
                failure = error
            if at >= end:
                return
            failures = 0 if at > before else failures + 1
            if failures == _ATTEMPTS:
                raise failure or DownloadError(
                    f"{self._url}: the server stopped at byte {at} of {self.file.size}"
                )

    def _answer(self, first: int, end: int) -> Iterator[bytes]:
        """What one request brings of [first, end), no more."""
        from huggingface_hub import constants, get_session

        headers = {**self._headers, "Range": f"bytes={first}-{end - 1}"}
        timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
        with get_session().stream("GET", self._url, headers=headers, timeout=timeout) as response:
            raise_for_status(response)
            skipped, left = self._begins_at(response), end - first
            if skipped is None or skipped > first:
                raise DownloadError(
                    f"{self._url}: asked for byte {first}, the server sends "
                    f"{response.headers.get('Content-Range', '')[:80]!r}"
                )
            skip = first - skipped
            for chunk in response.iter_bytes():
                self.received += len(chunk)
                wanted = chunk[skip : skip + left]
                skip = max(0, skip - len(chunk))
                left -= len(wanted)
                if wanted:
                    yield wanted
                if not left:
                    return

    def _begins_at(self, response: Any) -> int | None:
        """The first byte that comes; None where the answer does not say, or is of another file."""
        if response.status_code == 200:  # it knows no ranges
            return 0
        found = re.fullmatch(
            r"bytes (\d{1,16})-\d{1,16}/(\d{1,16}|\*)", response.headers.get("Content-Range", "")
        )
        if response.status_code != 206 or found is None:
            return None
        return int(found[1]) if found[2] in ("*", str(self.file.size)) else None
