"""The ASGI application."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from pestle.llm import LLM
from pestle.server.dialects import anthropic, chat_completions, responses
from pestle.server.dialects.openai import OpenAi
from pestle.server.endpoint import Endpoint
from pestle.server.models import Models, Served
from pestle.server.options import ServerOptions
from pestle.server.service import Service


def create_app(models: Mapping[str, LLM] | LLM, options: ServerOptions | None = None) -> Starlette:
    """An ASGI application that answers requests to `models`, by their names.

    They stay the caller's, who closes them once the application has ended. The first answers where
    a request names none.
    """
    known = Models(models if isinstance(models, Mapping) else {models.name: models})
    service = Service(options or ServerOptions())

    async def list_models(request: Request) -> JSONResponse:
        return JSONResponse({"object": "list", "data": [_model(each) for each in known]})

    def post(path: str, dialect: Any, kind: Any, handler: Any) -> Route:
        # Starlette takes what is no function for an ASGI application.
        return Route(path, Endpoint(service, known, dialect, kind, handler), methods=["POST"])

    openai, claude = OpenAi(), anthropic.Anthropic()
    return Starlette(
        routes=[
            Route("/v1/models", list_models, methods=["GET"]),
            post("/v1/chat/completions", openai, chat_completions.Fields, chat_completions.answer),
            post("/v1/responses", openai, responses.Fields, responses.answer),
            post("/v1/messages", claude, anthropic.Fields, anthropic.answer),
            post("/v1/messages/count_tokens", claude, anthropic.CountFields, anthropic.count),
        ]
    )


def _model(served: Served) -> dict[str, Any]:
    return {
        "id": served.name,
        "object": "model",
        "created": served.created,
        "owned_by": "pestle",
        "context_length": served.llm.n_ctx,
    }
