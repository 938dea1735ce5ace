"""Keys and values on disk: files of pages, written once and never changed.

Each save writes the pages that are new into one more file. The session's own file says which page
is where, with a digest of each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pestle.errors import FormatError
from pestle.sessions.files import written_aside

PageKey = tuple[int, int]
"""The group of layers, and the index of the page in the text."""


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

    def write(
        self, pages: Iterable[tuple[PageKey, int]], page: Callable[[PageKey], bytes]
    ) -> dict[PageKey, Place]:
        """Write pages, given with their numbers of tokens, one by one. Raises OSError."""
        name = f"kv-{self._next():06}"
        places: dict[PageKey, Place] = {}
        offset = 0
        with written_aside(self._folder / name) as stream:
            for key, n_tokens in pages:
                data = page(key)
                stream.write(data)
                digest = hashlib.sha256(data).hexdigest()
                places[key] = Place(name, offset, len(data), n_tokens, digest)
                offset += len(data)
        return places

    def read(self, place: Place) -> bytes:
        """One page. Raises FormatError for one that is not what was written, OSError."""
        path = self._folder / place.file
        with path.open("rb") as stream:
            there = path.stat().st_size
            if place.offset + place.size > there:
                raise FormatError(
                    f"{path} has {there} bytes, expected {place.offset + place.size} at least"
                )
            stream.seek(place.offset)
            data = stream.read(place.size)
        if hashlib.sha256(data).hexdigest() != place.sha256:
            raise FormatError(
                f"{path}: the {place.size} bytes at {place.offset} have another sha256 than when "
                "they were written"
            )
        return data

    def keep_only(self, files: set[str]) -> None:
        """Delete all others."""
        for path in self._folder.glob("kv-*"):
            if path.name not in files:
                path.unlink(missing_ok=True)

    def _next(self) -> int:
        numbers = (path.stem.removeprefix("kv-") for path in self._folder.glob("kv-*"))
        return 1 + max((int(number) for number in numbers if number.isdecimal()), default=0)


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
            or not row[2].startswith("kv-")
            or not row[2][3:].isdecimal()
        ):
            raise FormatError(f"a page is {row!r:.80}, expected group, index, file, offset, ...")
        places[row[0], row[1]] = Place(*row[2:])
    return places
