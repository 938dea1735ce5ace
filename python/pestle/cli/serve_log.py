"""The server's log, on stderr: what goes wrong, and with -v a line for each request."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from pestle.cli.console import Console

_LOGGERS = ("pestle.server", "uvicorn.error", "asyncio")


class _ToConsole(logging.Handler):
    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        said = self.format(record)
        if record.levelno >= logging.ERROR:
            self._console.error_text(said)
        else:
            self._console.note(said)


@contextmanager
def logged(console: Console) -> Iterator[None]:
    """Have what the server logs written, as long as the context is open."""
    handler = _ToConsole(console)
    before = []
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        before.append((logger, logger.level, logger.propagate))
        logger.addHandler(handler)
        logger.propagate = False
        logger.setLevel(_level(name, console))
    access = logging.getLogger("pestle.server.access")
    access.setLevel(logging.INFO if console.verbose else logging.WARNING)
    try:
        yield
    finally:
        for logger, level, propagate in before:
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate


def _level(name: str, console: Console) -> int:
    if name == "pestle.server":
        return logging.INFO
    return logging.WARNING if console.verbose else logging.ERROR
