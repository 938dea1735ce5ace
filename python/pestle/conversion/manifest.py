"""What a converted file says of its own origin: in its metadata, and as JSON beside it.

All digests are sha256 in hexadecimal, so a header has its final size before a single one is known,
and is written last. That of the headers themselves is taken with 64 zeros in its own place.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pestle._core import GgufFile
from pestle.errors import FormatError, UnsupportedError
from pestle.gguf.header import entry_bytes
from pestle.quality.certificate import KEY as CERTIFICATE
from pestle.tensors.plan import Output
from pestle.untrusted_json import parse_object

UNKNOWN: Final = "0" * 64
"""A digest that is not known yet."""
MANIFEST_VERSION: Final = 1
OWN_KEYS: Final = "pestle."
"""How keys begin that Pestle alone writes, all of which tell of one file."""

_VERSION = "pestle.version"
_OPTIONS = "pestle.convert.options"
_REPOSITORY = "pestle.source.repository"
_REVISION = "pestle.source.revision"
_FILES = "pestle.source.files"
_FILE_DIGESTS = "pestle.source.sha256"
_TENSOR_DIGESTS = "pestle.tensors.sha256"
_HEADER_DIGEST = "pestle.headers.sha256"
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Manifest:
    """What a file says of its origin. Digests are sha256.

    Attributes:
        pestle: The version that wrote the file.
        options: Those that decide the bytes.
        files: Digests of the source's files, by name.
        tensors: Digests of the new file's tensors, in its order.
        repository: The source's on the hub, if it came from there, and
        revision: its commit.
        headers: The digest of the metadata and the list of tensors.
        certificate: As it stands in the file, or BLANK where one will; None for a file without.
    """

    pestle: str
    options: Mapping[str, Any]
    files: Mapping[str, str]
    tensors: tuple[str, ...]
    repository: str | None = None
    revision: str | None = None
    headers: str = field(default=UNKNOWN)
    certificate: str | None = None

    def keys(self) -> dict[str, Any]:
        """As GGUF metadata."""
        keys: dict[str, Any] = {
            _VERSION: self.pestle,
            _OPTIONS: json.dumps(self.options, sort_keys=True),
        }
        if self.repository is not None:
            keys[_REPOSITORY] = self.repository
        if self.revision is not None:
            keys[_REVISION] = self.revision
        if self.certificate is not None:
            keys[CERTIFICATE] = self.certificate
        return keys | {
            _FILES: list(self.files),
            _FILE_DIGESTS: list(self.files.values()),
            _TENSOR_DIGESTS: list(self.tensors),
            _HEADER_DIGEST: self.headers,
        }

    def to_json(self, paths: Sequence[str], outputs: Sequence[Output]) -> dict[str, Any]:
        """As JSON-ready data, with the names of the model's files and its tensors."""
        return {
            "version": MANIFEST_VERSION,
            "pestle": self.pestle,
            "files": list(paths),
            "options": dict(self.options),
            "source": {
                "repository": self.repository,
                "revision": self.revision,
                "files": [{"name": n, "sha256": digest} for n, digest in self.files.items()],
            },
            "headers_sha256": self.headers,
            **self._certificate(),
            "tensors": [
                {"name": o.name, "type": o.type, "shape": list(o.shape), "sha256": digest}
                for o, digest in zip(outputs, self.tensors, strict=True)
            ],
        }

    def _certificate(self) -> dict[str, Any]:
        return (
            {}
            if self.certificate is None
            else {"certificate": parse_object(self.certificate, CERTIFICATE)}
        )


def read_manifest(file: GgufFile) -> Manifest:
    """The manifest in a file's metadata.

    UnsupportedError: it has none, for Pestle did not convert it. FormatError: it is malformed.
    """
    if _HEADER_DIGEST not in file:
        raise UnsupportedError(f"{file.path} has no manifest: Pestle did not convert it")
    options = parse_object(_text(file, _OPTIONS), f"{file.path}: key `{_OPTIONS}`")
    repository, revision = _optional_text(file, _REPOSITORY), _optional_text(file, _REVISION)
    names, digests = _texts(file, _FILES), _texts(file, _FILE_DIGESTS)
    tensors = _texts(file, _TENSOR_DIGESTS)
    if len(names) != len(digests):
        raise FormatError(f"{file.path}: the manifest's keys do not go together")
    if len(tensors) != len(file.tensors):
        raise FormatError(
            f"{file.path}: key `{_TENSOR_DIGESTS}` has {len(tensors)} elements, "
            f"expected one for each of {len(file.tensors)} tensors"
        )
    return Manifest(
        _text(file, _VERSION),
        options,
        dict(zip(names, digests, strict=True)),
        tuple(tensors),
        repository,
        revision,
        _text(file, _HEADER_DIGEST),
        _optional_text(file, CERTIFICATE),
    )


def headers_digest(headers: Sequence[bytes]) -> str:
    """The digest of the headers of all shards, which have UNKNOWN as their own digest."""
    return hashlib.sha256(b"".join(headers)).hexdigest()


def headers_match(headers: Sequence[bytes], digest: str) -> bool:
    """Whether headers that state `digest` as their own, and once, have it."""
    if _DIGEST.fullmatch(digest) is None:
        return False
    own, unknown = (entry_bytes(_HEADER_DIGEST, value) for value in (digest, UNKNOWN))
    if sum(header.count(own) for header in headers) != 1:
        return False
    return headers_digest([header.replace(own, unknown) for header in headers]) == digest


def _text(file: GgufFile, key: str) -> str:
    found = file.get(key)
    if not isinstance(found, str):
        raise FormatError(f"{file.path}: key `{key}` is {found!r:.40}, expected a string")
    return found


def _optional_text(file: GgufFile, key: str) -> str | None:
    return None if file.get(key) is None else _text(file, key)


def _texts(file: GgufFile, key: str) -> list[str]:
    found = file.get(key)
    if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
        raise FormatError(f"{file.path}: key `{key}` is not a list of strings")
    return found
