"""How fast the disk reads pieces of the size in which a model's experts are read."""

from __future__ import annotations

import mmap
import os
import random
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

from pestle import files

PIECE: Final = 1 << 20
"""Bytes of a read, and"""
READERS: Final = 4
"""the threads that read, as cpp/model/expert_layout.h has them."""
_SCRATCH: Final = 192 << 20
_SECONDS: Final = 0.4


def read_rate(folder: Path, path: Path | None = None) -> float | None:
    """Bytes a second of reads past the page cache, of `path` or of a file that is made in `folder`.

    None: the system has no such reads, or refuses; then nothing is known of the disk.
    """
    with suppress(OSError):
        if path is not None and path.stat().st_size >= _SCRATCH:
            return _measured(path)
        existing = next(each for each in (folder, *folder.parents) if each.is_dir())
        if files.free_space(existing) < 2 * _SCRATCH:
            return None
        with files.scratch_folder(existing) as scratch:
            made = scratch / "reads"
            with files.created(made) as stream:
                block = random.Random(0).randbytes(PIECE)
                for _ in range(_SCRATCH // PIECE):
                    stream.write(block)
                stream.flush()
                files.sync(stream)
            return _measured(made)
    return None


def _measured(path: Path) -> float:
    descriptor = files.open_direct(path)
    try:
        pieces = path.stat().st_size // PIECE
        until = time.perf_counter() + _SECONDS

        def read(seed: int) -> int:
            chance, done = random.Random(seed), 0
            with mmap.mmap(-1, PIECE) as page:  # aligned, as such reads want it
                while time.perf_counter() < until:
                    done += os.preadv(descriptor, [page], chance.randrange(pieces) * PIECE)
            return done

        begin = time.perf_counter()
        with ThreadPoolExecutor(READERS) as pool:
            total = sum(pool.map(read, range(READERS)))
        return total / (time.perf_counter() - begin)
    finally:
        os.close(descriptor)
