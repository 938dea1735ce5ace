"""One model of a server: whether it is in memory, and how many requests use it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from anyio import to_thread

from pestle.errors import Error
from pestle.llm import LLM
from pestle.progress import Progress
from pestle.server.errors import ApiError
from pestle.server.prefix_store import PrefixStore

log = logging.getLogger("pestle.server")

_SAVE_S = 15  # seconds without a request after which prefixes are saved


@dataclass(frozen=True)
class ModelFile:
    """A model that is loaded when it is needed.

    load            loads it; called in a thread of its own; raises Error
    size            bytes of memory that it takes
    context_length  tokens that a text may have
    unload          frees it; called in a thread of its own
    store           what of it outlasts the server, if anything does
    loaded          the model, if it is in memory already
    """

    load: Callable[[Progress], LLM]
    size: int
    context_length: int
    unload: Callable[[LLM], None] = LLM.close
    loaded: LLM | None = None
    store: PrefixStore | None = None


class _Loading:
    """How far it is; a `Progress` that ends what it hears of once it is told to."""

    def __init__(self) -> None:
        self.waits = True
        self.ended = False
        self._began = time.monotonic()
        self._done = 0
        self._total: int | None = None

    def start(self, label: str, total_bytes: int | None) -> None:
        self.waits = False
        self._began, self._done, self._total = time.monotonic(), 0, total_bytes

    def advance(self, n: int) -> None:
        if self.ended:
            raise Error("the server is being stopped")
        self._done += n

    def finish(self) -> None:
        pass

    @property
    def share(self) -> float:
        """How much of it is there; 1 is all."""
        return min(self._done / self._total, 1.0) if self._total else 0.0

    def told(self, name: str) -> ApiError:
        """What a request hears that does not wait any longer."""
        if self.waits:
            said, rest = f"the model {name!r} waits for the memory that others use", 10.0
        elif not self._total or not self._done:
            said, rest = f"the model {name!r} is being loaded", 5.0
        else:
            share = self.share
            said = f"the model {name!r} is being loaded, {share:.0%} of it is there"
            rest = (time.monotonic() - self._began) * (1 - share) / share
        after = min(max(round(rest), 1), 60)
        return ApiError(503, said, code="model_loading", retry_after=after)


class Model:
    """A model by its name; `created`: seconds since 1970, of this name here."""

    def __init__(
        self,
        name: str,
        source: LLM | ModelFile,
        make_room: Callable[[Model], Awaitable[None]],
        keep_alive: float | None,
    ) -> None:
        """`make_room` returns once there is memory for it; `keep_alive`: seconds for which it stays
        without a request; None: for ever. An LLM stays for ever, and is its owner's to close.
        """
        self.name = name
        self.created = int(time.time())
        self.users = 0
        self.last_used = time.monotonic()
        self.file = source if isinstance(source, ModelFile) else None
        self.llm: LLM | None = source.loaded if isinstance(source, ModelFile) else source
        """None while it is not in memory."""
        self.failed: str | None = None
        """Why it could not be loaded, when that was last tried."""
        self._make_room = make_room
        self._keep_alive = keep_alive
        self._progress = _Loading()
        self._loading: asyncio.Task[LLM] | None = None
        self._unloading: asyncio.Task[None] | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._saving: asyncio.TimerHandle | None = None
        self._saved: asyncio.Task[None] | None = None

    @property
    def context_length(self) -> int:
        """The tokens that a text may have."""
        if self.llm is not None:
            return self.llm.n_ctx
        assert self.file is not None
        return self.file.context_length

    @property
    def loading(self) -> bool:
        """Whether it is on its way into memory, or waits for it."""
        return self._loading is not None

    @property
    def loaded_share(self) -> float | None:
        """How much of it is there while it is being loaded, 1 is all; None while it is not."""
        return self._progress.share if self.loading else None

    @property
    def arriving(self) -> int:
        """Bytes that it is about to take, some of which it may have taken already."""
        if self.file is None or self._loading is None or self._progress.waits:
            return 0
        return self.file.size

    @property
    def leaving(self) -> bool:
        """Whether it is about to give its memory back."""
        return self._unloading is not None and not self._unloading.done()

    @property
    def unloadable(self) -> bool:
        """Whether it could make room."""
        return self.file is not None and self.llm is not None and not self.users

    def note(self, tokens: Sequence[int]) -> None:
        """A text was read and written."""
        if self.file is not None and self.file.store is not None:
            self.file.store.note(tokens)

    @contextmanager
    def used(self) -> Iterator[None]:
        """It stays in memory while the context is open, once it is there."""
        self.users += 1
        self._forget_idle()
        try:
            yield
        finally:
            self.users -= 1
            self.last_used = time.monotonic()
            self.expect_use()

    async def loaded(self, patience: float) -> LLM:
        """The model once it is in memory. Raises ApiError where that takes more than `patience`
        seconds, and what loading raises.
        """
        if self.llm is not None:
            return self.llm
        loading = self._loading
        if loading is None:
            loading = self._loading = asyncio.ensure_future(self._load())
            loading.add_done_callback(self._loaded)
        done, _ = await asyncio.wait({loading}, timeout=patience)
        if not done:
            raise self._progress.told(self.name)
        return loading.result()

    async def unload(self) -> None:
        """Free its memory. Nobody may use it."""
        self._leave()
        await self._unloaded()

    async def close(self) -> None:
        """Have it loaded no further, and free its memory."""
        self._forget_idle()
        if self._loading is not None:
            self._progress.ended = True
            self._loading.cancel()  # that ends waiting for memory; a thread ends by itself
            await asyncio.wait({self._loading})
        self._begin_unloading()
        await self._unloaded()

    def expect_use(self) -> None:
        """From now on it is idle, unless a request uses it."""
        if not self.unloadable:
            return
        self._forget_idle()
        loop = asyncio.get_running_loop()
        if self._keep_alive is not None:
            self._idle = loop.call_later(self._keep_alive, self._leave)
        if self.file is not None and self.file.store is not None:
            self._saving = loop.call_later(_SAVE_S, self._begin_saving, self.file.store)

    def _forget_idle(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if self._saving is not None:
            self._saving.cancel()
            self._saving = None

    def _begin_saving(self, store: PrefixStore) -> None:
        if self.llm is not None and (self._saved is None or self._saved.done()):
            self._saved = asyncio.ensure_future(to_thread.run_sync(store.save, self.llm))

    async def _load(self) -> LLM:
        assert self.file is not None
        self._progress = progress = _Loading()
        await self._unloaded()
        await self._make_room(self)
        progress.waits = False
        began = time.monotonic()
        llm = self.llm = await to_thread.run_sync(_load, self.file, progress)
        log.info("the model %s was loaded in %.1f s", self.name, time.monotonic() - began)
        self.expect_use()
        return llm

    def _loaded(self, loading: asyncio.Task[LLM]) -> None:
        self._loading = None  # one that failed may be tried again
        self.failed = None
        if not loading.cancelled() and (error := loading.exception()) is not None:
            self.failed = str(error)
            log.error("the model %s could not be loaded: %s", self.name, error)

    def _leave(self) -> None:
        log.info("the model %s is unloaded", self.name)
        self._begin_unloading()

    def _begin_unloading(self) -> None:
        if self.file is None or self.llm is None:
            return
        self._forget_idle()
        llm, self.llm = self.llm, None
        self._unloading = asyncio.ensure_future(self._unload(self.file, llm))

    async def _unload(self, file: ModelFile, llm: LLM) -> None:
        if self._saved is not None:
            await asyncio.wait({self._saved})
        await to_thread.run_sync(_unload, file, llm)

    async def _unloaded(self) -> None:
        if self._unloading is not None:
            await asyncio.wait({self._unloading})
            self._unloading = None


def _load(file: ModelFile, progress: Progress) -> LLM:
    llm = file.load(progress)
    if file.store is not None:
        file.store.restore(llm)
    return llm


def _unload(file: ModelFile, llm: LLM) -> None:
    if file.store is not None:
        file.store.save(llm)
    file.unload(llm)
