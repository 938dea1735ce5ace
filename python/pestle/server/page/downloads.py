"""Models that are on their way from the hub, each in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Literal

from anyio import to_thread

from pestle import models
from pestle.errors import Error
from pestle.server.errors import ApiError

log = logging.getLogger("pestle.server")

_MOST_AT_ONCE = 4
_KEPT = 20  # that have ended, so that the page can tell how


class _CancelledError(Error):
    """Nobody wants the rest of it."""


class _Download:
    """How far one is; a `Progress` that ends what it hears of once it is told to."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.state: Literal["running", "complete", "failed", "cancelled"] = "running"
        self.error: str | None = None
        self.ended = False
        self._label = "Asking the hub"
        self._done = 0
        self._total: int | None = None

    def start(self, label: str, total_bytes: int | None) -> None:
        self._label, self._done, self._total = label, 0, total_bytes

    def advance(self, n: int) -> None:
        if self.ended:
            raise _CancelledError("the download was cancelled")
        self._done += n

    def finish(self) -> None:
        pass

    def told(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "label": self._label,
            "done": self._done,
            "total": self._total,
            "state": self.state,
            "error": self.error,
        }


class Downloads:
    """All of them since the start. For the thread of the event loop."""

    def __init__(self) -> None:
        self._all: dict[str, _Download] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def state(self) -> list[dict[str, Any]]:
        """How far each is, and how those ended that have."""
        return [each.told() for each in self._all.values()]

    def begin(self, name: str, offline: bool) -> None:
        """Fetch a model; one that was interrupted goes on. Raises ApiError."""
        running = [each for each in self._all.values() if each.state == "running"]
        if any(each.name == name for each in running):
            return
        if len(running) >= _MOST_AT_ONCE:
            raise ApiError(429, f"{_MOST_AT_ONCE} downloads are on their way already")
        ended = [each.name for each in self._all.values() if each.state != "running"]
        for old in ended[: max(0, len(ended) - _KEPT + 1)]:
            del self._all[old]
        download = self._all[name] = _Download(name)
        task = asyncio.ensure_future(_run(download, offline))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def cancel(self, name: str) -> None:
        """Have it end. What has come stays on the disk. Raises ApiError where there is none."""
        if name not in self._all:
            raise ApiError(404, f"no download of {name[:200]!r} has begun")
        self._all[name].ended = True

    async def close(self) -> None:
        """End all of them."""
        for each in self._all.values():
            each.ended = True
        if self._tasks:
            await asyncio.wait(self._tasks)


async def _run(download: _Download, offline: bool) -> None:
    def pull() -> None:
        models.pull(download.name, offline=offline, progress=download)

    try:
        await to_thread.run_sync(pull)
        download.state = "complete"
    except _CancelledError:
        download.state = "cancelled"
    except Error as error:
        download.state, download.error = "failed", str(error)
    except Exception as error:
        log.error("the download of %s failed", download.name, exc_info=error)
        download.state, download.error = "failed", f"an error of the server: {type(error).__name__}"
