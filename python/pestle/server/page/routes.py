"""The routes of the page: its files, and what it may ask of the server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from pestle.server.dialects.ollama.listing import RUNNING
from pestle.server.endpoint import Dialect
from pestle.server.models import Models
from pestle.server.page import assets, machine, saved_chats, serving, shelf
from pestle.server.page.action import Action, Handler, Named, Nothing
from pestle.server.page.downloads import Downloads
from pestle.server.page.guard import Guard
from pestle.server.service import Service
from pestle.version import own_version


class SavedFields(msgspec.Struct):
    """A chat to be saved: the session's name, the model that it is of, and what was said."""

    name: str
    messages: list[dict[str, Any]]
    model: str | None = None


def routes(
    models: Models,
    service: Service,
    dialect: Dialect,
    downloads: Downloads,
    disk: serving.Disk | None,
) -> list[BaseRoute]:
    """`disk`: None where the page may not add models.

    Errors are told as `dialect` has them.
    """
    guard = Guard()

    async def start(asked: Nothing) -> Mapping[str, Any]:
        return {"token": guard.token, "version": own_version(), "adds": disk is not None}

    async def state(asked: Nothing) -> Mapping[str, Any]:
        return machine.state(models, downloads)

    async def load(asked: Named) -> Mapping[str, Any]:
        await serving.load(models, disk, asked.name)
        return {}

    async def unload(asked: Named) -> Mapping[str, Any]:
        await serving.unload(models, asked.name)
        return {}

    async def shelf_listed(asked: Nothing) -> Mapping[str, Any]:
        serving.required(disk)
        return await to_thread.run_sync(shelf.listed)

    async def plan(asked: Named) -> Mapping[str, Any]:
        offline = serving.required(disk).offline
        return await to_thread.run_sync(shelf.plan, asked.name, offline)

    async def download(asked: Named) -> Mapping[str, Any]:
        downloads.begin(asked.name, serving.required(disk).offline)
        return {}

    async def cancel(asked: Named) -> Mapping[str, Any]:
        downloads.cancel(asked.name)
        return {}

    async def sessions(asked: Nothing) -> Mapping[str, Any]:
        return await to_thread.run_sync(saved_chats.listed)

    async def save_session(asked: SavedFields) -> Mapping[str, Any]:
        async with models.use(asked.model) as served:
            return await to_thread.run_sync(
                saved_chats.save, served.llm, asked.name, asked.messages
            )

    async def open_session(asked: Named) -> Mapping[str, Any]:
        return await to_thread.run_sync(saved_chats.opened, asked.name)

    async def remove_session(asked: Named) -> Mapping[str, Any]:
        return await to_thread.run_sync(saved_chats.remove, asked.name)

    actions: dict[str, tuple[type[msgspec.Struct], Handler]] = {
        "state": (Nothing, state),
        "load": (Named, load),
        "unload": (Named, unload),
        "shelf": (Nothing, shelf_listed),
        "plan": (Named, plan),
        "download": (Named, download),
        "cancel": (Named, cancel),
        "sessions": (Nothing, sessions),
        "save-session": (SavedFields, save_session),
        "open-session": (Named, open_session),
        "remove-session": (Named, remove_session),
    }

    async def root(request: Request) -> Response:
        """The page for browsers, and a word for other programs."""
        return assets.index(request, RUNNING)

    starting = Action(service, dialect, guard.check_origin, Nothing, start)
    return [
        Route("/", root),  # HEAD too
        # A mount: the description of the API for other programs has no word of it.
        Mount(
            "/page",
            routes=[
                Route("/api/start", starting, methods=["POST"]),
                *(
                    Route(
                        f"/api/{name}",
                        Action(service, dialect, guard.check, kind, handler),
                        methods=["POST"],
                    )
                    for name, (kind, handler) in actions.items()
                ),
                Route("/{name}", assets.asset),
            ],
        ),
    ]
