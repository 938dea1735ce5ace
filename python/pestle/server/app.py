"""The ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from typing import Any, cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pestle.errors import Error, ModelNotFoundError
from pestle.llm import LLM
from pestle.server import errors
from pestle.server.access import Access
from pestle.server.access_log import AccessLog
from pestle.server.dialects import (
    anthropic,
    chat_completions,
    completions,
    embeddings,
    ollama,
    responses,
    tokenizing,
)
from pestle.server.dialects.anthropic import Anthropic
from pestle.server.dialects.ollama import Ollama
from pestle.server.dialects.openai import OpenAi
from pestle.server.endpoint import Dialect, Endpoint, Refusal
from pestle.server.errors import ApiError
from pestle.server.model import Model, ModelFile
from pestle.server.models import Models
from pestle.server.options import ServerOptions
from pestle.server.service import Service

_OPENAI, _ANTHROPIC, _OLLAMA = OpenAi(), Anthropic(), Ollama()
_POSTS: tuple[tuple[str, Dialect, Any, Any], ...] = (
    ("/v1/chat/completions", _OPENAI, chat_completions.Fields, chat_completions.answer),
    ("/v1/completions", _OPENAI, completions.Fields, completions.answer),
    ("/v1/embeddings", _OPENAI, embeddings.Fields, embeddings.answer),
    ("/tokenize", _OPENAI, tokenizing.TokenizeFields, tokenizing.tokenize),
    ("/detokenize", _OPENAI, tokenizing.DetokenizeFields, tokenizing.detokenize),
    ("/v1/responses", _OPENAI, responses.Fields, responses.answer),
    ("/v1/messages", _ANTHROPIC, anthropic.Fields, anthropic.answer),
    ("/v1/messages/count_tokens", _ANTHROPIC, anthropic.CountFields, anthropic.count),
    ("/api/chat", _OLLAMA, ollama.chat.Fields, ollama.chat.answer),
    ("/api/generate", _OLLAMA, ollama.generate.Fields, ollama.generate.answer),
    ("/api/embed", _OLLAMA, ollama.embed.EmbedFields, ollama.embed.answer),
    ("/api/embeddings", _OLLAMA, ollama.embed.EmbeddingsFields, ollama.embed.answer_one),
    ("/api/show", _OLLAMA, ollama.listing.ShowFields, ollama.listing.show),
)


def create_app(
    models: Mapping[str, LLM | ModelFile] | LLM, options: ServerOptions | None = None
) -> Starlette:
    """An ASGI application that answers requests to `models`, by their names.

    An LLM stays the caller's, who closes it once the application has ended. The first model answers
    where a request names none.
    """
    options = options or ServerOptions()
    known = Models(models if isinstance(models, Mapping) else {models.name: models}, options)
    service = Service(options)

    async def list_models(request: Request) -> JSONResponse:
        data = [_model(*each) for each in known.names.items()]
        return JSONResponse({"object": "list", "data": data, "has_more": False})

    async def model(request: Request) -> Response:
        try:
            found = known.find(request.path_params["name"])
        except ModelNotFoundError as error:
            return cast(Response, Refusal(_OPENAI, errors.of(error), options))
        return JSONResponse(_model(request.path_params["name"], found))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        known.begin()
        yield
        await known.close()

    async def tokenizer_info(request: Request) -> Any:
        try:
            async with known.use(request.query_params.get("model")) as served:
                return JSONResponse(tokenizing.tokenizer_info(served.llm))
        except (ApiError, Error) as error:
            return Refusal(_OPENAI, errors.of(error), options)

    def not_here(request: Request, error: Exception) -> Any:
        """There is no such path, or not with that method."""
        assert isinstance(error, HTTPException)
        path = request.url.path
        told = ApiError(error.status_code, f"there is no {request.method} {path[:200]} here")
        return Refusal(_dialect_of(path), told, service.options)

    app = Starlette(
        routes=[
            Route("/v1/models", list_models, methods=["GET"]),
            *ollama.listing.routes(known, options.keep_alive),
            Route("/tokenizer_info", tokenizer_info, methods=["GET"]),
            Route("/v1/models/{name:path}", model, methods=["GET"]),
            *(
                # Starlette takes what is no function for an ASGI application.
                Route(path, Endpoint(service, known, dialect, kind, answer), methods=["POST"])
                for path, dialect, kind, answer in _POSTS
            ),
        ],
        middleware=[
            Middleware(AccessLog),
            Middleware(Access, service.options, _dialect_of),
        ],
        exception_handlers={HTTPException: not_here},
        lifespan=lifespan,
    )
    app.state.service = service
    return app


def _dialect_of(path: str) -> Dialect:
    """In which errors are told that no endpoint tells."""
    if path.startswith("/api/"):
        return _OLLAMA
    return _ANTHROPIC if path.startswith("/v1/messages") else _OPENAI


def _model(name: str, model: Model) -> dict[str, Any]:
    """A model as OpenAI's clients read it, and as Anthropic's do."""
    created = datetime.fromtimestamp(model.created, timezone.utc)
    return {
        "id": name,
        "object": "model",
        "created": model.created,
        "owned_by": "pestle",
        "context_length": model.context_length,
        "type": "model",
        "display_name": name,
        "created_at": created.isoformat().replace("+00:00", "Z"),
        "lifecycle": "active",
        "max_input_tokens": model.context_length,
        "max_tokens": model.context_length,
    }
