"""A model opened and closed for asyncio, in threads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from threading import Event
from typing import TYPE_CHECKING, Any, TypeVar

from pestle.engine.waking import in_thread
from pestle.errors import Error
from pestle.options.checks import check_progress

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import ParamSpec, Self

    from pestle.progress import Progress

    P = ParamSpec("P")
L = TypeVar("L")


class AsyncOpening(ABC):
    """How an asynchronous program comes by a model, and lets it go."""

    @classmethod
    async def aopen(cls: Callable[P, L], *args: P.args, **options: P.kwargs) -> L:
        """`LLM(...)` for asyncio, with the same arguments: fetched and loaded in a thread.

        Cancelling it ends the download or the loading at its next step. Use it as
        `async with await LLM.aopen() as llm`, or call `aclose`. Raises as `LLM` does.
        """
        given: dict[str, Any] = dict(options)
        ending = _Ending(check_progress(given.get("progress")))
        given["progress"] = ending
        return await in_thread(partial(cls, *args, **given), ending.wanted.set)

    async def aclose(self) -> None:
        """`close` for asyncio, which waits in a thread for the forward pass in progress."""
        await in_thread(self.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    @abstractmethod
    def close(self) -> None:
        """Free the model."""


class _Ending:
    """A `Progress` that ends what it hears of once that is wanted, and else tells another one."""

    def __init__(self, told: Progress | None) -> None:
        self.wanted = Event()
        self._told = told

    def start(self, label: str, total_bytes: int | None) -> None:
        self._check()
        if self._told is not None:
            self._told.start(label, total_bytes)

    def advance(self, n: int) -> None:
        self._check()
        if self._told is not None:
            self._told.advance(n)

    def finish(self) -> None:
        if self._told is not None:
            self._told.finish()

    def _check(self) -> None:
        if self.wanted.is_set():
            raise Error("nobody waits for the model any more")
