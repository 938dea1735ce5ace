"""What a repository of the hub holds: an answer from the network, checked field by field.

Only what has the form of a plain relative path, a size, a digest and a commit gets past here, for
these become paths on this disk.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pestle.errors import DownloadError, FormatError
from pestle.models.file_names import is_relative_path
from pestle.models.hub_errors import HubUnreachableError, hub_errors, raise_for_status
from pestle.models.transfer import RemoteFile
from pestle.untrusted_json import parse_object

_TIMEOUT_S: Final = 20.0
_LONGEST: Final = 50_000_000
"""Bytes of an answer; a repository of 100,000 files has 30 million."""
_MOST_BYTES: Final = 2**50
_DIGEST: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Listing:
    """The newest version of a repository: its commit, and files by name."""

    commit: str
    files: dict[str, RemoteFile]


def list_files(repo: str, wanted: re.Pattern[str]) -> Listing:
    """Ask the hub for the files of `repo` whose whole names match `wanted`.

    HubUnreachableError: the hub does not answer, or not as a hub does. DownloadError: it lists
    what cannot be fetched safely. Otherwise raises as `hub_errors` says.
    """
    from huggingface_hub import constants

    with hub_errors(repo):
        data = _answer(repo, constants.ENDPOINT)
    try:
        answer = parse_object(data, "its answer")
    except FormatError as error:
        # A proxy's login page, for instance.
        raise HubUnreachableError(
            f"{repo}: {constants.ENDPOINT} does not answer as a hub does: {error}"
        ) from error
    fields = _Fields(repo, answer)
    files: dict[str, RemoteFile] = {}
    siblings = answer.get("siblings")
    if siblings is not None and not isinstance(siblings, list):
        raise fields.error("siblings", siblings, "an array")
    for number, entry in enumerate(siblings or []):
        where = f"siblings[{number}]"
        if not isinstance(entry, dict):
            raise fields.error(where, entry, "an object")
        name = entry.get("rfilename")
        if not isinstance(name, str):
            raise fields.error(f"{where}.rfilename", name, "a string")
        if wanted.fullmatch(name) is not None:
            files[name] = _file(_Fields(repo, entry, f"{where}."), name)
    return Listing(fields.text("sha", _COMMIT, "a commit"), files)


def _answer(repo: str, hub: str) -> bytes:
    """The hub's description of `repo`, as it came."""
    from huggingface_hub import get_session
    from huggingface_hub.utils import (  # type: ignore[attr-defined]
        build_hf_headers,
        validate_repo_id,
    )

    validate_repo_id(repo)
    found = bytearray()
    with get_session().stream(
        "GET",
        f"{hub}/api/models/{repo}",
        params={"blobs": True},
        headers=build_hf_headers(library_name="pestle"),
        timeout=_TIMEOUT_S,
    ) as response:
        raise_for_status(response)
        for chunk in response.iter_bytes():
            found += chunk
            if len(found) > _LONGEST:
                raise DownloadError(f"{repo}: {hub} lists more than {_LONGEST:,} bytes")
    return bytes(found)


def _file(entry: _Fields, name: str) -> RemoteFile:
    if not is_relative_path(name):
        raise DownloadError(
            f"{entry.repo}: the hub's listing holds the file name {name[:200]!r}, "
            "which has no place in a cache"
        )
    large = entry.values.get("lfs")
    if large is not None and not isinstance(large, dict):
        raise entry.error("lfs", large, "an object")
    if large is not None:
        lfs = _Fields(entry.repo, large, f"{entry.where}lfs.")
        return RemoteFile(name, lfs.size(), lfs.text("sha256", _SHA256, "a sha256"))
    if entry.values.get("blobId") is None or entry.values.get("size") is None:
        raise DownloadError(f"{entry.repo}: the hub states no digest of {name}: it is not fetched")
    return RemoteFile(name, entry.size(), entry.text("blobId", _DIGEST, "a digest"))


@dataclass(frozen=True)
class _Fields:
    """An object of the answer; `where`: what stands before the names of its fields."""

    repo: str
    values: Mapping[str, Any]
    where: str = ""

    def size(self) -> int:
        found = self.values.get("size")
        if type(found) is not int or not 0 <= found <= _MOST_BYTES:
            raise self.error("size", found, "a number of bytes")
        return found

    def text(self, key: str, form: re.Pattern[str], wanted: str) -> str:
        found = self.values.get(key)
        if not isinstance(found, str) or form.fullmatch(found) is None:
            raise self.error(key, found, f"{wanted} in hexadecimal")
        return found

    def error(self, key: str, found: object, wanted: str) -> DownloadError:
        return DownloadError(
            f"{self.repo}: the hub's listing is malformed: "
            f"`{self.where}{key}` is {found!r:.80}, expected {wanted}"
        )
