"""Where Pestle keeps the models that it fetched itself, and the rules for writing there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from pestle import files
from pestle.errors import DownloadError
from pestle.progress import Progress, task

_YES = frozenset({"1", "on", "yes", "true"})


def models_dir() -> Path:
    """The folder of Pestle's own models: `models` in PESTLE_CACHE, else in the user's cache."""
    chosen = os.environ.get("PESTLE_CACHE")
    root = Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("pestle")
    return root / "models"


def network_forbidden(offline: bool) -> bool:
    """Whether the caller, PESTLE_OFFLINE or HF_HUB_OFFLINE forbids every use of the network."""
    names = ("PESTLE_OFFLINE", "HF_HUB_OFFLINE")
    return offline or any(os.environ.get(name, "").lower() in _YES for name in names)


def require_space(folder: Path, needed: int) -> None:
    """Raise DownloadError unless the disk that will hold `folder` has `needed` bytes free."""
    free = files.free_space(folder)
    if free < needed:
        raise DownloadError(_no_space(folder, needed, free))


@contextmanager
def storage_errors(folder: Path, needed: int) -> Iterator[None]:
    """Turn a full disk or any other refusal of the system into a DownloadError that says so.

    `needed` is the number of bytes that the whole operation writes.
    """
    try:
        yield
    except OSError as error:
        if error.errno in files.NO_SPACE:
            raise DownloadError(_no_space(folder, needed, None)) from error
        if error.errno is None:
            raise
        place = error.filename or folder
        raise DownloadError(f"cannot write to {place}: {error.strerror}") from error


@contextmanager
def exclusive(lock: Path, progress: Progress | None) -> Iterator[None]:
    """Hold `lock` among all processes; waiting for another one shows as a task of unknown length.

    The operating system drops the lock of a process that dies, so a stale file never blocks.
    """
    files.make_folders(lock.parent)
    held = files.try_lock(lock)
    if held is None:
        with task(progress, "Waiting for another process that is downloading", None):
            held = files.wait_for_lock(lock)
    with held:
        yield


def _no_space(folder: Path, needed: int, free: int | None) -> str:
    left = "the disk is full" if free is None else f"{_mb(free)} are free"
    return f"not enough space in {folder}: {_mb(needed)} are needed, {left}"


def _mb(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
