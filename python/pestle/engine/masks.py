"""Masks of the next tokens, computed in a thread of their own while the model computes logits."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from numpy import uint32
    from numpy.typing import NDArray

Masks: TypeAlias = "Future[list[NDArray[uint32]]]"
"""The masks of a pass: one for each of its rows of logits, from the first on.

There may be fewer, where a later one cannot be computed. GrammarError if there is none.
"""


class TokenConstraint(Protocol):
    """A `constraints.Constraint`: what may come next in an answer."""

    def push(self, token: int, *, forced: bool = ...) -> None: ...
    def masks(self, draft: Sequence[int]) -> list[NDArray[uint32]]: ...
    def admitted(self, draft: Sequence[int]) -> int: ...
    def sure(self, most: int) -> list[int]: ...


class MaskAhead:
    """The masks of one answer."""

    def __init__(self, constraint: TokenConstraint) -> None:
        self._constraint = constraint
        self._aside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pestle-masks")

    def begin(self, draft: Sequence[int]) -> Masks:
        """Begin to compute the mask of the next token, and of that after each of `draft`.

        The constraint is not to be used before the result was waited for.
        """
        drafted = list(draft)
        try:
            return self._aside.submit(self._constraint.masks, drafted)
        except RuntimeError:  # the interpreter ends, and begins no thread any more
            masks: Masks = Future()
            masks.set_result(self._constraint.masks(drafted))
            return masks

    def close(self) -> None:
        """Let the thread end once it has no work; does not wait for it."""
        self._aside.shutdown(wait=False)
