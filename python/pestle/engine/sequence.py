"""The sequences of a model: what each holds, and that it lets go of it when the model is closed."""

from __future__ import annotations

from typing import Protocol

from pestle.errors import Error


class KvSequence(Protocol):
    """A `_core.Sequence`: tokens whose keys and values are held."""

    @property
    def n_tokens(self) -> int: ...
    @property
    def tokens(self) -> list[int]: ...
    def fork(self, n_tokens: int) -> KvSequence: ...
    def truncate(self, n_tokens: int) -> None: ...


class HeldSequence:
    """A sequence until its model is closed.

    A sequence of the core keeps its engine, and with it the weights, alive. Who uses one therefore
    gets it in this shell, from which `Runtime.close` takes it. Only the runtime looks inside, under
    its lock.
    """

    __slots__ = ("__weakref__", "_kv", "_most")

    def __init__(self, kv: KvSequence) -> None:
        self._kv: KvSequence | None = kv
        self._most: int | None = None

    @property
    def kv(self) -> KvSequence:
        """The core's sequence. Raises Error when the model was closed."""
        if self._kv is None:
            raise closed()
        if self._most is not None:
            if self._kv.n_tokens > self._most:
                self._kv.truncate(self._most)
            self._most = None
        return self._kv

    def shorten(self, n_tokens: int) -> None:
        """Have all but the first `n_tokens` forgotten before the next use; needs no lock.

        A generator that is dropped ends wherever the garbage collector runs, also in the middle of
        what holds the lock.
        """
        self._most = n_tokens

    def drop(self) -> None:
        """Let go of the core's sequence; further use raises Error."""
        self._kv = None


def closed() -> Error:
    """What every use of a closed model raises."""
    return Error("the model is closed")
