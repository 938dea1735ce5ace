"""One route of the API: reads the body, has it answered, and sends what comes."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import msgspec
from anyio import to_thread
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from pestle.server import errors, fields
from pestle.server.connection import ClientLeftError, Connection
from pestle.server.errors import ApiError
from pestle.server.models import Models, Served
from pestle.server.once import tell_once
from pestle.server.options import ServerOptions
from pestle.server.service import Service

log = logging.getLogger("pestle.server")

Fields = TypeVar("Fields", bound=msgspec.Struct)
_NO_HEADERS: Mapping[str, str] = {}
_LONG = 64 << 10  # bytes of a body that is parsed beside the event loop
_ENDS_CONNECTION = {408, 413}  # the rest of the body is not waited for


class Dialect(Protocol):
    """How errors are told in one of the APIs.

    `request_id` is that of the request; every answer has it in the header `id_header`.
    """

    id_header: str

    def status(self, error: ApiError) -> int:
        """The status of HTTP."""

    def body(self, error: ApiError, request_id: str) -> dict[str, Any]:
        """The body of an answer that is an error."""

    def in_stream(self, error: ApiError, request_id: str) -> bytes:
        """What tells of it in the middle of a stream."""


@dataclass(frozen=True)
class Call(Generic[Fields]):
    """A request: its typed fields, all of its fields, and where it comes from."""

    fields: Fields
    raw: Mapping[str, Any]
    headers: Headers
    client: str  # the key, or the address, that it comes from
    served: Served
    service: Service


@dataclass(frozen=True)
class Reply:
    """An answer that is there as a whole."""

    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Stream:
    """An answer that comes in frames."""

    frames: AsyncIterator[bytes]
    failed: Callable[[ApiError], bytes] | None = None  # else the dialect tells of errors
    media_type: str = "text/event-stream"
    headers: Mapping[str, str] = field(default_factory=dict)


Handler: TypeAlias = Callable[[Call[Any]], Awaitable[Reply | Stream]]


class Endpoint:
    """An ASGI application for one route of a dialect."""

    def __init__(
        self,
        service: Service,
        models: Models,
        dialect: Dialect,
        kind: type[msgspec.Struct],
        handler: Handler,
    ) -> None:
        """`kind` has the fields of the body, `model` among them."""
        self._service = service
        self._models = models
        self._dialect = dialect
        self.kind = kind
        self.handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = Connection(scope, receive, send, self._service.options)
        try:
            with self._service.bodies.part() as room:
                raw = await _parsed(await connection.body(room))
            if self._service.options.log_prompts:
                log.info("asked: %s", as_json(raw).decode())
            await connection.while_there(self._answer(connection, raw))
        except ClientLeftError:
            return
        except ApiError as error:
            await refuse(connection, self._dialect, error)

    async def _answer(self, connection: Connection, raw: dict[str, Any]) -> None:
        try:
            typed = fields.typed(raw, self.kind)
            self._tell_ignored(raw)
            name = getattr(typed, "model", None)
            async with self._models.use(name) as served:
                call = Call(
                    typed, raw, connection.headers, connection.client, served, self._service
                )
                answer = await self.handler(call)
                if isinstance(answer, Reply):
                    headers = {self._dialect.id_header: connection.id, **answer.headers}
                    await connection.reply(200, as_json(answer.body), headers=headers)
                else:
                    await self._stream(connection, answer)
        except ApiError:
            raise
        except Exception as error:
            raise told(error) from error

    async def _stream(self, connection: Connection, stream: Stream) -> None:
        headers = {self._dialect.id_header: connection.id, **stream.headers}
        await connection.begin(200, stream.media_type, headers)
        async with contextlib.aclosing(stream.frames) as frames:  # type: ignore[type-var]
            try:
                async for frame in frames:
                    await connection.send(frame)
            except Exception as error:
                failure = told(error)
                if stream.failed is None:
                    await connection.send(self._dialect.in_stream(failure, connection.id))
                else:
                    await connection.send(stream.failed(failure))
        await connection.end()

    def _tell_ignored(self, raw: Mapping[str, Any]) -> None:
        """Log the names that mean nothing here, each once."""
        for name in fields.unknown(dict(raw), self.kind):
            tell_once(f"the field {name[:100]!r} of requests is not known here, and ignored")


class Refusal:
    """An ASGI application that answers with an error."""

    def __init__(
        self,
        dialect: Dialect,
        error: ApiError,
        options: ServerOptions,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._dialect = dialect
        self._error = error
        self._options = options
        self._headers = headers or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection = Connection(scope, receive, send, self._options)
        await refuse(connection, self._dialect, self._error, self._headers)


async def refuse(
    connection: Connection,
    dialect: Dialect,
    error: ApiError,
    more_headers: Mapping[str, str] = _NO_HEADERS,
) -> None:
    """Answer a request with an error."""
    status = dialect.status(error)
    headers = {dialect.id_header: connection.id, **more_headers}
    if error.retry_after is not None:
        headers["retry-after"] = str(error.retry_after)
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    if status in _ENDS_CONNECTION:
        headers["connection"] = "close"
    await connection.reply(status, as_json(dialect.body(error, connection.id)), headers=headers)


def as_json(value: Any) -> bytes:
    """JSON in as few bytes as UTF-8 takes."""
    return msgspec.json.encode(value)


async def _parsed(body: bytes) -> dict[str, Any]:
    if len(body) > _LONG:
        return await to_thread.run_sync(fields.parsed, body)
    return fields.parsed(body)


def told(error: Exception) -> ApiError:
    """What the client hears; a defect is logged with its trace."""
    known = errors.of(error)
    if known.status == 500:
        log.error("a request failed", exc_info=error)
    return known
