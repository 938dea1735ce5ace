"""Making folders, and removing those again that were made and hold nothing."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pestle.files.identity import Identity, identity_of, is_at, kind


class MadeFolder(NamedTuple):
    """A folder that was not there before."""

    path: Path
    identity: Identity


def make_folders(path: Path, *, private: bool = False) -> list[MadeFolder]:
    """Make the folder `path` and those above it that are not there; returns these, the outer first.

    private: none of them shows anything to others than its owner. Raises OSError, and has made
    nothing then.
    """
    missing = []
    while True:
        try:
            status = os.stat(path)
        except FileNotFoundError:
            missing.append(path)
            if path.parent == path:
                raise
            path = path.parent
            continue
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(errno.ENOTDIR, f"it is {kind(status)}", str(path))
        break
    made: list[MadeFolder] = []
    try:
        for folder in reversed(missing):
            try:
                os.mkdir(folder, 0o700 if private else 0o777)
            except FileExistsError:
                if not folder.is_dir():
                    raise
                continue  # another process was faster
            made.append(MadeFolder(folder, identity_of(os.lstat(folder))))
    except BaseException:
        remove_made(made)
        raise
    return made


def remove_made(made: Sequence[MadeFolder]) -> None:
    """Remove folders that `make_folders` has made, as far as they hold nothing."""
    for folder, identity in reversed(made):
        with contextlib.suppress(OSError):  # it holds something, or is gone
            if is_at(folder, identity):
                os.rmdir(folder)


def remove_if_empty(folder: Path) -> bool:
    """Remove a folder whose contents we have removed, unless others have put something there."""
    try:
        os.rmdir(folder)
    except OSError:
        return False
    return True
