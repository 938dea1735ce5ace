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
from pestle.cli.model_options import ModelOptions
from pestle.cli.serve_memory import LEAST_KV, Given, with_memory

if TYPE_CHECKING:
    from pestle import LLM
    from pestle.gguf import FileDescription, KvCache
    from pestle.models import Progress
    from pestle.server import ModelFile
    from pestle.server.prefix_store import PrefixStore


@dataclass(frozen=True)
class Offer:
    """A model that is to be served: its name, its file and how it is loaded."""

    name: str
    path: Path
    file: FileDescription
    options: ModelOptions
    parallel: int = 0  # answers at once; 0: as many as fit
    share: int | None = None  # bytes of --memory that it has beside others; None: all of them

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

    def options_now(self) -> ModelOptions:
        """The options with which it is loaded beside what this process holds by now."""
        if self.share is None:
            return self.options
        from pestle.footprint import held_by_others

        limit = self.share + held_by_others()
        return replace(self.options, engine=replace(self.options.engine, memory=limit))

    @property
    def size(self) -> int:
        """Bytes of memory that it takes."""
        limit = self.share or self.options.engine.memory
        return self.file.file_bytes + LEAST_KV if limit is None else limit

    def source(self, loaded: LLM | None, store: PrefixStore | None) -> ModelFile:
        """What the server takes."""
        from pestle.server import ModelFile

        def load(progress: Progress) -> LLM:
            llm = loading.open_file(self.path, self.options_now(), progress)
            llm.parallel = self.parallel
            return llm

        return ModelFile(load, self.size, self.context_length, loaded=loaded, store=store)


def find(
    named: Mapping[str, str | None], options: ModelOptions, given: Given, console: Console
) -> list[Offer]:
    """The models by their names, fetched where they must be, with memory shared out to them."""
    from pestle.gguf import describe

    offers = []
    for name, model in named.items():
        path = loading.find(replace(options, model=model), console)
        offers.append(Offer(name, path, describe(path), options, given.parallel))
    return with_memory(offers, given, memory.read().available)


def sources(
    offers: Sequence[Offer], prefixes: str | None, console: Console, held: ExitStack
) -> dict[str, ModelFile]:
    """What the server takes, the first one loaded; `held` closes it.

    `prefixes`: a folder for what outlasts the server.
    """
    if not offers:
        return {}
    first = offers[0]
    options = replace(first.options_now(), model=str(first.path))
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
        (offer,) = with_memory([offer], given, memory.read().available)
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
