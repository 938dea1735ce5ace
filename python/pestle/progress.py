"""How a long transfer tells its caller how far it is. Nothing here prints: `cli` draws the bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol


class Progress(Protocol):
    """What a caller passes to watch a download; tasks come one after another, never nested."""

    def start(self, label: str, total_bytes: int | None) -> None:
        """A task begins. `total_bytes` is None when its end is not known (waiting for a lock)."""

    def advance(self, n: int) -> None:
        """`n` more bytes are done. Negative when a transfer has to begin again."""

    def finish(self) -> None:
        """The task ended, well or not."""


@contextmanager
def task(
    progress: Progress | None, label: str, total_bytes: int | None
) -> Iterator[Callable[[int], None]]:
    """Run one task; yields the function that advances it by a number of bytes."""
    if progress is None:
        yield lambda n: None
        return
    progress.start(label, total_bytes)
    try:
        yield progress.advance
    finally:
        progress.finish()
