"""The ASGI application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from pestle.errors import Error
from pestle.llm import LLM
from pestle.server import errors, operations
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
from pestle.server.metrics import Metrics
from pestle.server.model import ModelFile
from pestle.server.models import Models
from pestle.server.options import ServerOptions
from pestle.server.page.downloads import Downloads
from pestle.server.page.routes import routes as page_routes
from pestle.server.page.serving import Disk
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
    models: Mapping[str, LLM | ModelFile] | LLM,
    options: ServerOptions | None = None,
    disk: Disk | None = None,
) -> Starlette:
    """An ASGI application that answers requests to `models`, by their names, and shows the page.

    An LLM stays the caller's, who closes it once the application has ended. The first model answers
    where a request names none. With a `disk` the page may add models from there, and there may be
    none at the start.
    """
    options = options or ServerOptions()
    known = Models(models if isinstance(models, Mapping) else {models.name: models}, options)
    metrics = Metrics(known)
    service = Service(options, known, metrics)
    downloads = Downloads()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        known.begin()
        yield
        await downloads.close()
        await known.close()

    async def tokenizer_info(request: Request) -> Any:
        """What a model's tokenizer is."""
        try:
            async with known.use(request.query_params.get("model")) as served:
                return JSONResponse(tokenizing.tokenizer_info(served.llm))
        except (ApiError, Error) as error:
            return Refusal(_OPENAI, errors.of(error), options)

    def not_here(request: Request, error: Exception) -> Any:
        """There is no such path, or not with that method."""
        assert isinstance(error, HTTPException)
        path = request.url.path
        said = f"there is no {request.method} {path[:200]} here"
        allowed = (error.headers or {}).get("Allow")
        if allowed is not None:
            said += f", but {allowed}"
        told = ApiError(error.status_code, said)
        return Refusal(_dialect_of(path), told, service.options, error.headers)

    app = Starlette(
        routes=[
            *operations.routes(known, service, metrics, _OPENAI),
            *page_routes(known, service, _OPENAI, downloads, disk),
            Route("/tokenizer_info", tokenizer_info),
            *ollama.listing.routes(known, options.keep_alive),
            *(
                # Starlette takes what is no function for an ASGI application.
                Route(path, Endpoint(service, known, dialect, kind, answer), methods=["POST"])
                for path, dialect, kind, answer in _POSTS
            ),
        ],
        middleware=[
            Middleware(AccessLog, metrics.responded),
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
