"""How fast the disk reads pieces of the size in which a model's experts are read."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from pestle import _core, files
from pestle.errors import Error

_SCRATCH: Final = 192 << 20
_BLOCK: Final = 1 << 20


def forget(paths: Iterable[str]) -> None:
    """Have the page cache drop files, where it can be asked to, so that trials read from the disk.

    A plan predicts what the disk does; the engine reads what is cached from the cache.
    """
    if sys.platform != "linux":
        return
    for path in paths:
        with Path(path).open("rb") as file, suppress(OSError):
            files.sync(file)  # pages that are not written yet are kept
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def read_rate(folder: Path, path: Path | None = None) -> float | None:
    """Bytes a second of reads past the page cache, of `path` or of a file that is made in `folder`.

    None: the system has no such reads, or refuses; then nothing is known of the disk.
    """
    if sys.platform == "darwin":  # whose F_NOCACHE is a hint: what is cached comes from there
        return None
    with suppress(OSError, Error):
        if path is not None and path.stat().st_size >= _SCRATCH:
            return _core.measure_reads(path) or None
        existing = next(each for each in (folder, *folder.parents) if each.is_dir())
        if files.free_space(existing) < 2 * _SCRATCH:
            return None
        with files.scratch_folder(existing) as scratch:
            made = scratch / "reads"
            with files.created(made) as stream:
                block = random.Random(0).randbytes(_BLOCK)
                for _ in range(_SCRATCH // _BLOCK):
                    stream.write(block)
                stream.flush()
                files.sync(stream)
            return _core.measure_reads(made) or None
    return None
