"""The models of a server, by the names that requests give."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pestle.errors import ModelNotFoundError
from pestle.llm import LLM


@dataclass(frozen=True)
class Served:
    """A model by its name; `created`: seconds since 1970."""

    name: str
    llm: LLM
    created: int


class Models:
    """All models of a server. The first one answers where a request names none."""

    def __init__(self, llms: Mapping[str, LLM]) -> None:
        created = int(time.time())
        self._served = {name: Served(name, llm, created) for name, llm in llms.items()}

    def __iter__(self) -> Iterator[Served]:
        return iter(self._served.values())

    @asynccontextmanager
    async def use(self, name: str | None) -> AsyncIterator[Served]:
        """The model of a name while it is in use. Raises ModelNotFoundError."""
        yield self.find(name)

    def find(self, name: str | None) -> Served:
        """The model of a name. Raises ModelNotFoundError."""
        if name is None:
            return next(iter(self))
        try:
            return self._served[name]
        except KeyError:
            known = ", ".join(self._served)
            raise ModelNotFoundError(f"there is no model {name!r} here; there is {known}") from None
