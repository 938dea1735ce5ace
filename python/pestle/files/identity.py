"""Which file a name leads to: by device and inode, not by the name."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple


class Identity(NamedTuple):
    """A file or folder on this machine, whatever it is called."""

    device: int
    inode: int


def identity_of(status: os.stat_result) -> Identity:
    return Identity(status.st_dev, status.st_ino)


def status_at(path: Path) -> os.stat_result | None:
    """What stands at `path` itself (a link is not followed); None for nothing. Raises OSError."""
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None


def is_at(path: Path, identity: Identity) -> bool:
    """Whether `path` is still the name of that very file or folder."""
    status = status_at(path)
    return status is not None and identity_of(status) == identity


def is_same(one: Path, other: Path) -> bool:
    """Whether both names lead to one file. Not where either is gone, which using it says better."""
    try:
        return one.samefile(other)
    except OSError:
        return False


def names_in(folder: Path) -> list[str]:
    """The names in a folder, sorted. Raises OSError."""
    return sorted(os.listdir(folder))


def kind(status: os.stat_result) -> str:
    """What something is that is not a file, for a message."""
    names = {
        stat.S_IFDIR: "a folder",
        stat.S_IFLNK: "a link",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return names.get(stat.S_IFMT(status.st_mode), "not a regular file")
