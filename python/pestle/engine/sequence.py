"""The sequences of a model: what each holds, and that it lets go of it when the model is closed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pestle.errors import Error


class KvSequence(Protocol):
    """A `_core.Sequence`: tokens whose keys and values are held."""

    @property
    def n_tokens(self) -> int: ...
    @property
    def tokens(self) -> list[int]: ...
    @property
    def has_windows(self) -> bool: ...
    def reusable(self, n_tokens: int) -> int: ...
    def fork(self, n_tokens: int) -> KvSequence: ...
    def truncate(self, n_tokens: int) -> None: ...


class HeldSequence:
    """A sequence until its model is closed.

    A sequence of the core keeps its engine, and with it the weights, alive. Who uses one therefore
    gets it in this shell, from which `Runtime.close` takes it. Only the runtime looks inside, under
    its lock.

    Layers with a window forget what it has left, so a text can be cut back by some tokens only. A
    checkpoint at the end of a prompt makes up for that: the answer is often what the next prompt
    does not have, or has without its reasoning.
    """

    __slots__ = ("__weakref__", "_checkpoint", "_kv", "_most")

    def __init__(self, kv: KvSequence, checkpoint: KvSequence | None = None) -> None:
        self._kv: KvSequence | None = kv
        self._checkpoint = checkpoint
        self._most: int | None = None

    @property
    def kv(self) -> KvSequence:
        """The core's sequence. Raises Error when the model was closed."""
        if self._kv is None:
            raise closed()
        if self._most is not None:
            if self._kv.n_tokens > self._most:
                self._kv.truncate(self._kv.reusable(self._most))
            self._most = None
        return self._kv

    def shorten(self, n_tokens: int) -> None:
        """Have all but the first `n_tokens` forgotten before the next use; needs no lock.

        A generator that is dropped ends wherever the garbage collector runs, also in the middle of
        what holds the lock.
        """
        self._most = n_tokens

    def mark(self) -> None:
        """Make it possible to come back to the tokens that are held now."""
        kv = self.kv
        if kv.has_windows:  # others can be cut back anywhere
            self._checkpoint = kv.fork(kv.n_tokens)

    def rewind(self, prompt: Sequence[int]) -> int:
        """Cut back to what can be kept of the beginning of `prompt`; return how many tokens.

        The mark is gone then: it would hold memory that the prompt may need.
        """
        kv, checkpoint = self.kv, self._checkpoint
        kept = _kept(kv, prompt)
        if checkpoint is not None and (of_checkpoint := _kept(checkpoint, prompt)) > kept:
            kept = of_checkpoint
            self._kv = kv = checkpoint.fork(kept)  # a forked session may share it
        self._checkpoint = None
        if kept < kv.n_tokens:
            kv.truncate(kept)
        return kept

    def clear(self) -> None:
        """Hold no tokens."""
        self._checkpoint = None
        self.kv.truncate(0)

    def fork(self) -> HeldSequence:
        """One that holds the same, and can come back to the same."""
        return HeldSequence(self.kv.fork(self.kv.n_tokens), self._checkpoint)

    def drop(self) -> None:
        """Let go of the core's sequence; further use raises Error."""
        self._kv = self._checkpoint = None


def closed() -> Error:
    """What every use of a closed model raises."""
    return Error("the model is closed")


def _kept(kv: KvSequence, prompt: Sequence[int]) -> int:
    """How many tokens of the beginning of `prompt` the sequence can keep."""
    return kv.reusable(_common_prefix(kv.tokens, prompt))


def _common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    for position, (left, right) in enumerate(zip(a, b, strict=False)):
        if left != right:
            return position
    return min(len(a), len(b))
