"""What is asked of the server itself: its models, its health, its counts and its description."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pestle.errors import ModelNotFoundError
from pestle.server import errors, openapi
from pestle.server.endpoint import Dialect, Refusal
from pestle.server.health import health
from pestle.server.metrics import Metrics
from pestle.server.model import Model
from pestle.server.models import Models
from pestle.server.service import Service


def routes(models: Models, service: Service, metrics: Metrics, dialect: Dialect) -> list[Route]:
    """Theirs; errors are told as `dialect` has them."""

    async def list_models(request: Request) -> Response:
        """The models, in OpenAI's form."""
        data = [_model(*each) for each in models.names.items()]
        return JSONResponse({"object": "list", "data": data, "has_more": False})

    async def model(request: Request) -> Response:
        """One of the models."""
        name = request.path_params["name"]
        try:
            return JSONResponse(_model(name, models.find(name)))
        except ModelNotFoundError as error:
            return cast(Response, Refusal(dialect, errors.of(error), service.options))

    async def tell_health(request: Request) -> Response:
        """Whether the server gets on with its work."""
        status, body = health(models, service)
        return JSONResponse(body, status)

    async def tell_metrics(request: Request) -> Response:
        """Counts and times, for Prometheus."""
        text, content_type = metrics.exposed(request.headers.get("accept", ""))
        return Response(text, headers={"content-type": content_type})

    async def tell_description(request: Request) -> Response:
        """All of this, in OpenAPI's form."""
        return JSONResponse(openapi.describe(request.app.routes))

    return [
        Route("/health", tell_health),
        Route("/metrics", tell_metrics),
        Route("/openapi.json", tell_description),
        Route("/v1/models", list_models),
        Route("/v1/models/{name:path}", model),
    ]


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
