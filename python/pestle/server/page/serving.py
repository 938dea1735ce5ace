"""Loading models and unloading them, those of this disk too that were not named at the start."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread

from pestle.server.errors import ApiError
from pestle.server.model import Model, ModelFile
from pestle.server.models import Models
from pestle.server.page import shelf


@dataclass(frozen=True)
class Disk:
    """What the page may take from this disk and, unless it is `offline`, from the hub.

    open  from a model's name and its file to what a server takes; raises Error
    """

    open: Callable[[str, Path], ModelFile]
    offline: bool = False


async def load(models: Models, disk: Disk | None, name: str) -> None:
    """Have a model on its way into memory. Raises ApiError and Error."""
    model = await _known(models, disk, name)
    with contextlib.suppress(ApiError):  # it is on its way
        await model.loaded(0)


async def unload(models: Models, name: str) -> None:
    """Free the memory of a model that nobody uses. Raises ApiError and ModelNotFoundError."""
    model = models.find(name)
    if model.users:
        raise ApiError(409, f"{name} is answering; stop its answers before it is unloaded")
    if not model.unloadable:
        raise ApiError(409, f"{name} is not in memory, or stays there")
    await model.unload()


def required(disk: Disk | None) -> Disk:
    """The disk. Raises ApiError where the page may take nothing from it."""
    if disk is None:
        raise ApiError(403, "this server serves the models that it was started with, and no others")
    return disk


async def _known(models: Models, disk: Disk | None, name: str) -> Model:
    if name in models.names:
        return models.names[name]
    opening = required(disk).open
    path = await to_thread.run_sync(shelf.path_of, name)
    file = await to_thread.run_sync(opening, name, path)
    if name in models.names:  # meanwhile
        return models.names[name]
    return models.add(name, file)
