"""Headers of files on the hub that were fetched before, by the digests of the files.

A digest is the hub's ETag: what has it never changes. Whatever lies here is checked anew by the
reader of GGUF when it is used, and fetched again where that finds it wrong.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from pestle import files
from pestle.errors import Error
from pestle.models.storage import models_dir
from pestle.untrusted_json import parse_object, read_bytes

_LONGEST: Final = 80_000_000
_MOST: Final = 256
"""Headers that are kept, the newest."""
_DIGEST: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SUFFIX: Final = ".gguf-header"


@dataclass(frozen=True)
class Splice:
    """A header whose middle, the bytes [start, end), is that of another file's header."""

    of: str  # the other file's digest
    start: int
    end: int


def read(digest: str) -> bytes | None:
    """The header of the file with this digest, or None."""
    with suppress(Error, KeyError, TypeError, ValueError):
        facts, own = _entry(digest)
        if facts == {}:
            return own
        splice = Splice(str(facts["of"]), int(facts["start"]), int(facts["end"]))
        facts, other = _entry(splice.of)
        if facts == {}:
            return spliced(splice, other, own)
    return None


def _entry(digest: str) -> tuple[dict[str, Any], bytes]:
    """What is kept of a header: how it is put together, and its own bytes."""
    head, _, own = read_bytes(_path(digest), _LONGEST).partition(b"\n")
    return parse_object(head, "its first line"), own


def spliced(splice: Splice, other: bytes, own: bytes) -> bytes:
    """The header of which `own` is all but the middle."""
    return own[: splice.start] + other[splice.start : splice.end] + own[splice.start :]


def keep(digest: str, own: bytes, splice: Splice | None = None) -> None:
    """Keep a header, or all of it but the middle. Where the disk refuses, it is not kept."""
    path = _path(digest)
    with suppress(OSError):
        files.make_folders(path.parent)
        with files.placed(path, follow=False) as stream:
            stream.write(json.dumps(asdict(splice) if splice else {}).encode() + b"\n" + own)
        _drop_old(path.parent)


def _path(digest: str) -> Path:
    """ValueError: a digest that is none, as a damaged entry may name."""
    if _DIGEST.fullmatch(digest) is None:
        raise ValueError(f"{digest!r:.80} is not a digest")
    return models_dir().parent / "headers" / f"{digest}{_SUFFIX}"


def _drop_old(folder: Path) -> None:
    kept = sorted(folder.glob(f"*{_SUFFIX}"), key=lambda p: p.stat().st_mtime, reverse=True)
    for path in kept[_MOST:]:
        files.remove(path)
