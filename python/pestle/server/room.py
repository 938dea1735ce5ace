"""The memory that the bodies of requests may take together while they are on their way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pestle.server.errors import ApiError


class Bodies:
    """All bodies that are being received or parsed; for the thread of the event loop."""

    def __init__(self, most: int) -> None:
        """`most`: bytes."""
        self._most = most
        self._taken = 0

    @contextmanager
    def part(self) -> Iterator[Room]:
        """Room for one body, which is given back when the context is left."""
        room = Room(self)
        try:
            yield room
        finally:
            self._taken -= room.taken

    def take(self, n: int) -> None:
        """Raise ApiError where there is no room for `n` bytes more."""
        if self._taken + n > self._most:
            said = f"the requests that are on their way have more than {self._most} bytes together"
            raise ApiError(503, said, retry_after=1)
        self._taken += n


class Room:
    """The part that one body takes."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies = bodies
        self.taken = 0

    def take(self, n: int) -> None:
        """`n` bytes have come. Raises ApiError."""
        self._bodies.take(n)
        self.taken += n
