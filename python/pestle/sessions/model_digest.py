"""The digest of a model's files: of all bytes, so that no two models are ever taken for each other.

Reading 12 GB takes some seconds, so a file's digest is remembered with all that the system says of
the file: device, inode, size, and when contents and inode last changed. Writing to a file, or
putting another in its place, changes these.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import platformdirs

from pestle import files
from pestle.errors import SessionError
from pestle.models.stamp import Stamp, file_stamp
from pestle.progress import Progress, task

PIECE = 64 << 20
"""A digest is the sha256 of the sha256 of pieces of so many bytes: several threads compute it."""
_BLOCK = 1 << 20
_MOST_BYTES = 16 << 20  # of what is remembered: some 100,000 files
_SETTLED = 2.0  # seconds; a file that changed since may change again within the clock's resolution


def model_digest(model: Mapping[str, Stamp], progress: Progress | None = None) -> str:
    """The digest of a model's files as they were when their stamps were taken, as hexadecimal.

    Raises SessionError where a file was changed since, OSError where it cannot be read.
    """
    known = _remembered()
    unread = {path: stamp for path, stamp in model.items() if _key(stamp) not in known}
    if unread:
        size = sum(stamp[2] for stamp in unread.values())
        with task(progress, "reading the model for its digest", size) as advance:
            read = {_key(stamp): _digest(path, stamp[2], advance) for path, stamp in unread.items()}
    else:
        read = {}
    for path, stamp in model.items():
        if file_stamp(path) != stamp:
            raise SessionError(f"{path} was changed since the model was loaded")
    settled = {
        key: digest for key, digest in read.items() if time.time() - _changed(key) > _SETTLED
    }
    if settled:
        _remember(known | settled)
    whole = "".join(f"{(known | read)[_key(stamp)]}\n" for stamp in model.values())
    return hashlib.sha256(whole.encode()).hexdigest()


def _key(stamp: Stamp) -> str:
    return " ".join(map(str, stamp))


def _changed(key: str) -> float:
    """When, in seconds since 1970, the file of this key was changed last."""
    return max(map(int, key.split()[3:])) / 1e9


def _digest(path: str, size: int, advance: Callable[[int], None]) -> str:
    def piece(start: int) -> tuple[bytes, int]:
        digest, left = hashlib.sha256(), min(PIECE, size - start)
        length = left
        with files.reading(Path(path)) as stream:
            stream.seek(start)
            while left:
                data = stream.read(min(_BLOCK, left))
                if not data:
                    raise SessionError(
                        f"{path} ends after {start + length - left} bytes, expected {size}: it was "
                        "changed since the model was loaded"
                    )
                digest.update(data)
                left -= len(data)
        return digest.digest(), length

    whole = hashlib.sha256()
    with ThreadPoolExecutor() as threads:
        for digest, length in threads.map(piece, range(0, size, PIECE)):
            whole.update(digest)
            advance(length)
    return whole.hexdigest()


def _file() -> Path:
    chosen = os.environ.get("PESTLE_CACHE")
    root = Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("pestle")
    return root / "model_digests.json"


def _remembered() -> dict[str, str]:
    """What is known; nothing, if the file is not there or not ours: it can be computed again."""
    try:
        found: Any = json.loads(files.read_bounded(_file(), _MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, str)}


def _remember(digests: dict[str, str]) -> None:
    path = _file()
    with suppress(OSError):  # it is computed again next time
        files.make_folders(path.parent)
        with files.placed(path, follow=False) as stream:
            stream.write(json.dumps(digests).encode())
