"""GGUF models on the hub, by their headers alone: what a plan reads before a download.

A header is some megabytes, nearly all of it the vocabulary, which all quantizations of a repository
share: the first one's header is fetched whole, of the others only what stands before the vocabulary
and behind it. A header that was put together so is held against the size of its file like any
other; where it does not fit, all of it is fetched.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from pestle._core import GgufFile, gguf_extent
from pestle.errors import Error, FormatError, ModelNotFoundError, OfflineError, UnsupportedError
from pestle.models import header_cache
from pestle.models.header_cache import Splice
from pestle.models.hub import GGUF_FILES, HubReference
from pestle.models.hub_errors import hub_errors
from pestle.models.hub_listing import Listing, list_files
from pestle.models.quants import GgufModel, choose, group, tag
from pestle.models.ranges import RemoteParts
from pestle.models.transfer import RemoteFile

_LONGEST: Final = 64 << 20
"""Bytes of a header. A vocabulary of 262,144 tokens makes some 16 MB."""
_FIRST: Final = 64 << 10
"""Bytes that have to come before a header is parsed; of a shard that is not the first they do."""
_STEP: Final = 1 << 20
"""As many more, at most, before it is parsed again."""
_WORTH_SPLICING: Final = 256 << 10
_TAIL: Final = 64 << 10
"""Bytes by which the lists of tensors of two quantizations may differ in length."""
_AT_ONCE: Final = 8
_MOST_PADDING: Final = 4096
"""Bytes behind the last tensor; files are filled up to a multiple of their alignment."""


@dataclass(frozen=True)
class RemoteModel:
    """A model of a repository; `file` tells all that its header does, or why it cannot."""

    repo: str
    tag: str  # what stands after the colon
    quant: str | None
    size: int  # bytes of all shards
    file: GgufFile | Error

    @property
    def name(self) -> str:
        """What -hf takes."""
        return f"{self.repo}:{self.tag}"


def remote_models(
    reference: HubReference, *, offline: bool, every: bool = False
) -> tuple[list[RemoteModel], int]:
    """The model that is named, or with `every` all of the repository, the named or usual one first.

    Also returns the bytes that were fetched. Raises ModelNotFoundError, OfflineError and
    DownloadError; what is wrong with a single header is told in its `file`, that of the named one
    raised.
    """
    if offline:
        raise OfflineError(f"{reference} is not on this machine and the network is off")
    listing = list_files(reference.repo, GGUF_FILES)
    models = [model for model in group(listing.files) if model.complete]
    named = _named(models, reference)
    wanted = [named, *(model for model in models if every and model != named)]
    headers = _Headers(reference.repo, listing)
    with hub_errors(reference.repo):
        first = headers.whole(named)
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            found = [first, *pool.map(headers.like_first, wanted[1:])]
    return [
        RemoteModel(
            reference.repo,
            tag(model, models),
            model.quant,
            sum(listing.files[name].size for name in model.files),
            file,
        )
        for model, file in zip(wanted, found, strict=True)
    ], headers.received


def _named(models: Sequence[GgufModel], reference: HubReference) -> GgufModel:
    """The named model, or the usual one; where none is usual, the smallest name's."""
    try:
        return choose(models, reference.quant, reference.repo)
    except ModelNotFoundError:
        if reference.quant is not None or not models:
            raise
        return models[0]


class _Headers:
    """Fetches the headers of one repository."""

    def __init__(self, repo: str, listing: Listing) -> None:
        self._repo = repo
        self._listing = listing
        self._parts: list[RemoteParts] = []
        self._first: tuple[str, bytes, tuple[int, int]] | None = None

    @property
    def received(self) -> int:
        """Bytes that came over the network."""
        return sum(part.received for part in self._parts)

    def whole(self, model: GgufModel) -> GgufFile:
        """All of a model's headers; those of `like_first` may share its vocabulary."""
        remote = self._listing.files[model.files[0]]
        header = self._header(remote)
        file = self._file(model, {remote.name: header})
        self._first = (remote.digest, header, _middle(file, header))
        return file

    def like_first(self, model: GgufModel) -> GgufFile | Error:
        """The same of a further model. What is wrong with it is returned."""
        remote = self._listing.files[model.files[0]]
        try:
            with hub_errors(self._repo):
                spliced = self._spliced(remote)
                if spliced is not None:
                    with suppress(FormatError):  # its vocabulary is another one
                        return self._file(model, {remote.name: spliced})
                return self._file(model, {remote.name: self._header(remote)})
        except Error as error:
            return error

    def _file(self, model: GgufModel, known: dict[str, bytes]) -> GgufFile:
        remotes = [self._listing.files[name] for name in model.files]
        missing = [remote for remote in remotes if remote.name not in known]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            fetched = zip(missing, pool.map(self._header, missing), strict=True)
            headers = known | {remote.name: header for remote, header in fetched}
        return GgufFile.of_headers([(r.name, headers[r.name], r.size) for r in remotes])

    def _reader(self, remote: RemoteFile) -> RemoteParts:
        self._parts.append(RemoteParts(self._repo, self._listing.commit, remote))
        return self._parts[-1]

    def _header(self, remote: RemoteFile) -> bytes:
        """From the cache, or from the network as far as it goes."""
        cached = header_cache.read(remote.digest)
        if cached is not None and _holds_all(cached, remote):
            return cached
        have = bytearray()
        needed = _FIRST
        for chunk in self._reader(remote).stream(0, min(remote.size, _LONGEST)):
            have += chunk
            if len(have) >= needed:
                needed, _ = gguf_extent(bytes(have), remote.size, remote.name)
                if needed <= len(have):
                    break
                needed = max(needed, len(have) + min(len(have), _STEP))
        else:
            needed, _ = gguf_extent(bytes(have), remote.size, remote.name)
        if needed > len(have):
            raise FormatError(
                f"{remote.name}: the header does not end within {_LONGEST:,} bytes, the most that "
                "are fetched of one"
            )
        header = bytes(have[:needed])
        header_cache.keep(remote.digest, header)
        return header

    def _spliced(self, remote: RemoteFile) -> bytes | None:
        """A header of its own beginning and end around the first one's vocabulary; None: do not."""
        if self._first is None:
            return None
        cached = header_cache.read(remote.digest)
        if cached is not None and _holds_all(cached, remote):
            return cached
        digest, first, (start, end) = self._first
        if end - start < _WORTH_SPLICING or remote.size < len(first) + _TAIL:
            return None
        reader = self._reader(remote)
        own = reader.read(0, start) + reader.read(end, len(first) - end + _TAIL)
        splice = Splice(digest, start, end)
        header = header_cache.spliced(splice, first, own)
        if not _holds_all(header, remote, spliced=True):
            return None
        header_cache.keep(remote.digest, own, splice)
        return header


def _middle(file: GgufFile, header: bytes) -> tuple[int, int]:
    """Where the long values of a header begin and end: the vocabulary, in one piece."""
    start = end = at = 0
    for value in map(file.encoded, file.keys()):
        if len(value) < _TAIL:
            continue
        at = header.find(value, at)
        if at < 0:
            break
        start = start or at
        at = end = at + len(value)
    return start, end


def _holds_all(header: bytes, remote: RemoteFile, *, spliced: bool = False) -> bool:
    """Whether it is a whole header of the file; a spliced one also has to explain its size."""
    try:
        needed, end = gguf_extent(header, remote.size, remote.name)
    except (FormatError, UnsupportedError):
        return False
    return needed <= len(header) and (not spliced or remote.size - end < _MOST_PADDING)
