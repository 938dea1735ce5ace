"""What a terminal shows while a prompt is read: how far it is, and how long it takes yet."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pestle.cli.console import Console
from pestle.cli.progress import PATIENCE, Counts

if TYPE_CHECKING:
    from pestle.engine.activity import RunStatus

_PAUSE = 0.1  # seconds between two looks


@contextmanager
def shown(status: Callable[[], RunStatus], console: Console) -> Iterator[Callable[[], None]]:
    """Show it until the function that is given is called, or the context is left.

    Nothing is shown of a prompt that is read in half a second, or where no terminal is.
    """
    if console.quiet or not sys.stderr.isatty():
        yield lambda: None
        return
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(status, console, over), daemon=True)
    watch.start()

    def end() -> None:
        if not over.is_set():
            over.set()
            watch.join()  # what it shows is gone before anything else is written

    try:
        yield end
    finally:
        end()


def _watch(status: Callable[[], RunStatus], console: Console, over: threading.Event) -> None:
    if over.wait(PATIENCE):
        return
    first = status()
    bar = Counts(console, "tokens")
    # What was read at the first look took no time: it would make the rest seem short.
    bar.start("Reading", first.prompt_tokens - first.read_tokens)
    try:
        seen = first.read_tokens
        while not over.wait(_PAUSE):
            now = status()
            bar.advance(now.read_tokens - seen)
            seen = now.read_tokens
    finally:
        bar.finish()
