"""The models of a server, by the names that requests give."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pestle import memory
from pestle.errors import ModelNotFoundError
from pestle.llm import LLM
from pestle.server.model import Model, ModelFile
from pestle.server.options import ServerOptions

_LOOK_S = 0.1  # between two looks for memory


@dataclass(frozen=True)
class Served:
    """A model that is in memory, while a request uses it; `created`: seconds since 1970."""

    name: str
    llm: LLM
    created: int


class Models:
    """All models of a server. The first one answers where a request names none.

    What is given as a file is loaded when a request wants it. Where memory is short, the ones go
    first that were not used for longest. None goes while a request uses it: others wait.
    """

    def __init__(self, known: Mapping[str, LLM | ModelFile], options: ServerOptions) -> None:
        """Raises ValueError for an alias of nothing."""
        self._options = options
        self._models: dict[str, Model] = {}
        self._names: dict[str, Model] = {}
        for name, source in known.items():
            self.add(name, source)
        for alias, name in options.aliases.items():
            if name not in self._models or alias in self._models:
                raise ValueError(f"{alias!r} cannot be another name of {name!r}")
            self._names[alias] = self._models[name]

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    def add(self, name: str, source: LLM | ModelFile) -> Model:
        """Have a further model, under a name that none has."""
        assert name not in self._names, name
        model = Model(name, source, self._make_room, self._options.keep_alive)
        self._models[name] = self._names[name] = model
        return model

    @property
    def names(self) -> Mapping[str, Model]:
        """The models by all of their names, aliases too."""
        return self._names

    @asynccontextmanager
    async def use(self, name: str | None) -> AsyncIterator[Served]:
        """The model of a name while it is in use, loaded before if it has to be.

        Raises ModelNotFoundError, ApiError where loading takes too long to be waited for, and what
        loading raises.
        """
        model = self.find(name)
        with model.used():
            llm = await model.loaded(self._options.patience)
            yield Served(model.name, llm, model.created)

    def find(self, name: str | None) -> Model:
        """The model of a name. Raises ModelNotFoundError."""
        if not self._models:
            raise ModelNotFoundError("there is no model here yet; the page of this server adds one")
        if name is None:
            return next(iter(self))
        try:
            return self._names[name]
        except KeyError:
            known = ", ".join(self._names)
            said = f"there is no model {name[:200]!r} here; there is {known}"
            raise ModelNotFoundError(said) from None

    def of(self, llm: LLM) -> Model:
        """The model that is loaded as `llm`."""
        return next(model for model in self if model.llm is llm)

    def begin(self) -> None:
        """The server is up: models that are in memory already are idle from now on."""
        for model in self:
            model.expect_use()

    async def close(self) -> None:
        """Free what was loaded here."""
        for model in self:
            await model.close()

    async def _make_room(self, wanted: Model) -> None:
        """Return once the memory for a model is there, or as much as there will be."""
        assert wanted.file is not None
        others = [model for model in self if model is not wanted and model.file is not None]
        while self._is_short(wanted.file.size, others):
            idle = [model for model in others if model.unloadable]
            if idle:
                await min(idle, key=lambda model: model.last_used).unload()
            elif any(each.llm is not None or each.arriving or each.leaving for each in others):
                await asyncio.sleep(_LOOK_S)
            else:
                return  # loading will tell

    def _is_short(self, wanted: int, others: Sequence[Model]) -> bool:
        """Whether there is no memory for so many bytes beside other models."""
        arriving = sum(each.arriving for each in others)
        if memory.read().available < wanted + arriving:
            return True
        limit = self._options.memory
        if limit is None:
            return False
        there = [each for each in others if each.llm is not None or each.leaving]
        held = sum(each.file.size for each in there if each.file is not None)
        return held + arriving + wanted > limit
