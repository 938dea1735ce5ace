"""Keys and values on disk: files of pages, written once and never changed.

Each save writes the pages that are new into one more file. The session's own file says which page
is where, with a digest of each.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pestle import files
from pestle.errors import FormatError

PageKey = tuple[int, int]
"""The group of layers, and the index of the page in the text."""
_NAME = re.compile(r"kv-([0-9]{6,18})")
_MARK = b"pestle kv pages\n"
"""How a file of pages begins. Those before version 0.2 have none: only their session knows them."""


class Place(NamedTuple):
    """Where a page is, how many tokens of the text it held, and the sha256 of its bytes."""

    file: str
    offset: int
    size: int
    n_tokens: int
    sha256: str


class PageFiles:
    """The files of one session's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: dict[str, files.Identity] = {}

    def names(self) -> list[str]:
        """What has a name of ours, and is a file."""
        return [
            name
            for name in files.names_in(self._folder)
            if _NAME.fullmatch(name) and _is_regular(self._folder / name)
        ]

    def is_proven(self, name: str) -> bool:
        """Whether a file has a name of ours and begins as ours do."""
        if not _NAME.fullmatch(name):
            return False
        with contextlib.suppress(OSError), files.reading(self._folder / name) as stream:
            return stream.read(len(_MARK)) == _MARK
        return False

    def write(
        self, pages: Iterable[tuple[PageKey, int]], page: Callable[[PageKey], bytes]
    ) -> dict[PageKey, Place]:
        """Write pages, given with their numbers of tokens, one by one. Raises OSError."""
        name = f"kv-{self._next():06}"
        places: dict[PageKey, Place] = {}
        with files.placed(self._folder / name, private=True, new=True, follow=False) as stream:
            identity = files.identity_of_open(stream)
            offset = stream.write(_MARK)
            for key, n_tokens in pages:
                data = page(key)
                stream.write(data)
                digest = hashlib.sha256(data).hexdigest()
                places[key] = Place(name, offset, len(data), n_tokens, digest)
                offset += len(data)
            self._written[name] = identity
        return places

    def forget(self) -> None:
        """Remove what was written here: no session will name it."""
        for name, identity in self._written.items():
            with contextlib.suppress(OSError):
                files.remove_file(self._folder / name, identity)

    def read(self, place: Place, size: int) -> bytes:
        """A page, which has `size` bytes. FormatError: it is not what was written; OSError."""
        path = self._folder / place.file
        if place.size != size:
            raise FormatError(f"{path}: a page has {place.size} bytes, expected {size}")
        with files.reading(path) as stream:
            there = os.fstat(stream.fileno()).st_size
            if place.offset + size > there:
                raise FormatError(
                    f"{path} has {there} bytes, expected {place.offset + size} at least"
                )
            stream.seek(place.offset)
            data = stream.read(size)
        if hashlib.sha256(data).hexdigest() != place.sha256:
            raise FormatError(
                f"{path}: the {size} bytes at {place.offset} have another sha256 than when "
                "they were written"
            )
        return data

    def keep_only(self, kept: set[str], *, named: set[str]) -> None:
        """Delete all others that begin as ours do, or are `named` by a session. Raises OSError."""
        for name in self.names():
            if name not in kept and (name in named or self.is_proven(name)):
                files.remove(self._folder / name)

    def _next(self) -> int:
        """A number that nothing in the folder has, whatever it is."""
        numbers = (
            re.match(r"kv-([0-9]{1,18})(?![0-9])", name) for name in files.names_in(self._folder)
        )
        return 1 + max((int(number[1]) for number in numbers if number), default=0)


def size_of(path: Path) -> int:
    """Bytes of a file, none if it is not there."""
    status = files.status_at(path)
    return 0 if status is None else status.st_size


def _is_regular(path: Path) -> bool:
    status = files.status_at(path)
    try:
        if status is not None:
            files.require_regular(path, status)
    except OSError:
        return False
    return status is not None


def places_to_json(places: Mapping[PageKey, Place]) -> list[list[Any]]:
    """As JSON-ready data."""
    return [[*key, *place] for key, place in places.items()]


def places_from_json(found: Any) -> dict[PageKey, Place]:
    """Raises FormatError."""
    kinds = (int, int, str, int, int, int, str)
    if not isinstance(found, list):
        raise FormatError(f"the pages are {found!r:.80}, expected a list")
    places = {}
    for row in found:
        if (
            not isinstance(row, list)
            or [type(item) for item in row] != list(kinds)
            or any(item < 0 for item in row if isinstance(item, int))
            or not _NAME.fullmatch(row[2])
        ):
            raise FormatError(f"a page is {row!r:.80}, expected group, index, file, offset, ...")
        places[row[0], row[1]] = Place(*row[2:])
    return places
