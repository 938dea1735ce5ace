"""One thing that the page may ask for: a POST with JSON, answered with JSON."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send

from pestle.server import fields
from pestle.server.connection import ClientLeftError, Connection
from pestle.server.endpoint import Dialect, as_json, refuse, told
from pestle.server.errors import ApiError
from pestle.server.service import Service

Handler = Callable[[Any], Awaitable[Mapping[str, Any]]]


class Nothing(msgspec.Struct):
    """The fields of a request that has none."""


class Named(msgspec.Struct):
    """The fields of a request about a model, or a session."""

    name: str


class Action:
    """An ASGI application; `kind` has the fields that `handler` gets."""

    def __init__(
        self,
        service: Service,
        dialect: Dialect,
        check: Callable[[Scope], None],
        kind: type[msgspec.Struct],
        handler: Handler,
    ) -> None:
        """`check` raises ApiError for whoever may not ask; `dialect` says how that is told."""
        self._service = service
        self._dialect = dialect
        self._check = check
        self._kind = kind
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = Connection(scope, receive, send, self._service.options)
        try:
            self._check(scope)
            with self._service.bodies.part() as room:
                raw = fields.parsed(await connection.body(room))
            body = await self._answer(fields.typed(raw, self._kind))
        except ClientLeftError:
            return
        except ApiError as error:
            await refuse(connection, self._dialect, error)
        else:
            await connection.reply(200, body, headers={"cache-control": "no-store"})

    async def _answer(self, asked: msgspec.Struct) -> bytes:
        try:
            return as_json(await self._handler(asked))
        except ApiError:
            raise
        except Exception as error:
            raise told(error) from error
