"""The models that `pestle serve` offers: found at the start, and loaded then or when needed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pestle import memory
from pestle.cli import loading
from pestle.cli.console import Console
from pestle.cli.options import ModelOptions
from pestle.cli.progress import Downloads

if TYPE_CHECKING:
    from pestle import LLM
    from pestle.gguf import FileDescription, KvCache
    from pestle.models import Progress
    from pestle.server import ModelFile
    from pestle.server.prefix_store import PrefixStore

_LEAST_KV = 128 << 20  # bytes: a server with less could answer nobody


@dataclass(frozen=True)
class Offer:
    """A model that is to be served: its name, its file and how it is loaded."""

    name: str
    path: Path
    file: FileDescription
    options: ModelOptions
    parallel: int = 0  # answers at once; 0: as many as fit

    @property
    def context_length(self) -> int:
        """The tokens that a text may have."""
        return self.options.engine.n_ctx or self.file.context_length or 0

    @property
    def bytes_per_token(self) -> int:
        """What a token adds to keys and values; 0 where the header does not tell."""
        cache = self._cache()
        return cache.bytes_per_token if cache is not None else 0

    @property
    def whole_text(self) -> int:
        """Bytes of keys and values of a text that fills the context."""
        cache = self._cache()
        if cache is None:
            return 0
        return cache.bytes_per_token * self.context_length + cache.window_bytes

    def _cache(self) -> KvCache | None:
        keys = self.options.engine.kv_type.partition("/")[0]
        return next((cache for cache in self.file.kv_cache if cache.type == keys), None)

    def source(self, loaded: LLM | None, store: PrefixStore | None) -> ModelFile:
        """What the server takes."""
        from pestle.server import ModelFile

        def load(progress: Progress) -> LLM:
            llm = loading.open_file(self.path, self.options, progress)
            llm.parallel = self.parallel
            return llm

        size = self.file.file_bytes + _LEAST_KV
        return ModelFile(load, size, self.context_length, loaded=loaded, store=store)


@dataclass(frozen=True)
class Given:
    """What the command line says of memory and of how many share it; None: nothing."""

    kv_memory: int | None
    prefix_cache: int | None
    parallel: int = 0  # answers at once; 0: as many as fit


def find(
    named: Mapping[str, str | None], options: ModelOptions, given: Given, console: Console
) -> list[Offer]:
    """The models by their names, fetched where they must be, with memory shared out to them."""
    from pestle.gguf import describe
    from pestle.models import resolve

    offers = []
    for name, model in named.items():
        path = resolve(model, offline=options.offline, progress=Downloads(console))
        offers.append(Offer(name, path, describe(path), options, given.parallel))
    return _with_memory(offers, given, memory.read().available)


def sources(
    offers: Sequence[Offer], prefixes: str | None, console: Console, held: ExitStack
) -> dict[str, ModelFile]:
    """What the server takes, the first one loaded; `held` closes it.

    `prefixes`: a folder for what outlasts the server.
    """
    if not offers:
        return {}
    first = offers[0]
    options = replace(first.options, model=str(first.path))
    llm = held.enter_context(loading.load(options, console))
    llm.parallel = first.parallel
    found = {}
    for offer in offers:
        store = None if prefixes is None else _store(Path(prefixes), offer.name)
        if offer is first and store is not None:
            store.restore(llm)
        found[offer.name] = offer.source(llm if offer is first else None, store)
    return found


def opening(
    options: ModelOptions, given: Given, prefixes: str | None
) -> Callable[[str, Path], ModelFile]:
    """How a model is served that the page adds: its name and its file to what the server takes."""
    from pestle.gguf import describe

    def opened(name: str, path: Path) -> ModelFile:
        offer = Offer(name, path, describe(path), options, given.parallel)
        (offer,) = _with_memory([offer], given, memory.read().available)
        return offer.source(None, None if prefixes is None else _store(Path(prefixes), name))

    return opened


def as_loaded(offers: Sequence[Offer], served: Mapping[str, ModelFile]) -> list[Offer]:
    """The offers; of what is loaded, with the options that it came to."""
    found = []
    for offer in offers:
        llm = served[offer.name].loaded
        if llm is not None:
            offer = replace(offer, options=replace(offer.options, engine=llm.options))
        found.append(offer)
    return found


def _store(folder: Path, name: str) -> PrefixStore:
    from pestle.server.prefix_store import PrefixStore

    return PrefixStore(folder / re.sub(r"[^A-Za-z0-9._-]", "_", name))


def names(models: Sequence[str]) -> dict[str, str | None]:
    """The names by which requests choose models, and what -m says they are; None: the default."""
    from pestle.models import DEFAULT_NAME

    if not models:
        return {DEFAULT_NAME: None}
    found: dict[str, str | None] = {}
    for model in models:
        name, equals, file = model.partition("=")
        if not equals or "/" in name or "\\" in name or Path(model).is_file():
            name, file = Path(model).name.removesuffix(".gguf"), model
        if not name or not file:
            raise click.UsageError(f"-m {model}: NAME=FILE is expected.")
        if name in found:
            raise click.UsageError(f"Two models are named {name}: NAME=FILE gives another name.")
        found[name] = file
    return found


def _with_memory(offers: Sequence[Offer], given: Given, free: int) -> list[Offer]:
    """The offers with memory for keys and values of each model.

    Together they get half of what the weights leave, so that the rest of the machine lives on; but
    a text as long as the context has to fit where it can.
    """
    if not offers:
        return []
    limit = offers[0].options.engine.memory
    if limit is not None:
        if len(offers) > 1:
            raise click.UsageError("--memory is for one model; --kv-memory limits each of several.")
        # What the weights leave of it, which loading finds out: as much as it gives, for both.
        engine = offers[0].options.engine
        kept = limit if given.prefix_cache is None else given.prefix_cache
        engine = replace(engine, kv_memory=given.kv_memory or 0, prefix_cache=kept)
        return [replace(offers[0], options=replace(offers[0].options, engine=engine))]
    weights = [offer.file.file_bytes for offer in offers]
    # Where not all fit, they take turns.
    left = max(free - (sum(weights) if sum(weights) < free else max(weights)), 0)
    found = []
    for offer in offers:
        share = max(left // 2 // len(offers), min(offer.whole_text, left * 4 // 5))
        kv_memory = given.kv_memory or max(share, _LEAST_KV, given.prefix_cache or 0)
        kept = kv_memory if given.prefix_cache is None else given.prefix_cache
        engine = replace(offer.options.engine, kv_memory=kv_memory, prefix_cache=kept)
        found.append(replace(offer, options=replace(offer.options, engine=engine)))
    return found
