"""The description of all routes, made of the types that read their bodies."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable
from types import ModuleType
from typing import Any

import msgspec
from starlette.routing import BaseRoute, Route

from pestle.server.endpoint import Endpoint, Handler
from pestle.version import own_version

_DEPTH = len(["pestle", "server", "dialects", "one"])
_ERRORS = {
    "400": "The request is wrong; the error names the field.",
    "401": "A key is demanded.",
    "403": "The Host or Origin header is not allowed.",
    "404": "There is no such model.",
    "408": "The body did not come in time.",
    "413": "The body is too long.",
    "415": "The body is not JSON.",
    "429": "Too many answers wait.",
    "503": "The model is being loaded, or memory is short; try again.",
    "529": "Too many answers wait; Anthropic's own status for it.",
}


def describe(routes: Iterable[BaseRoute]) -> dict[str, Any]:
    """An OpenAPI document about what an application has."""
    known = [route for route in routes if isinstance(route, Route)]
    kinds = [route.app.kind for route in known if isinstance(route.app, Endpoint)]
    schemas, components = msgspec.json.schema_components(
        kinds, ref_template="#/components/schemas/{name}"
    )
    of_kind = dict(zip(kinds, schemas, strict=True))
    paths: dict[str, Any] = {}
    for route in known:
        path = paths.setdefault(route.path.replace(":path}", "}"), {})
        if isinstance(route.app, Endpoint):
            path["post"] = _post(route.app, of_kind[route.app.kind])
        elif "GET" in (route.methods or ()):
            path["get"] = _get(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pestle",
            "version": own_version(),
            "description": "Language models on this machine. What is null counts as absent.",
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
        "security": [{}, {"bearer": []}, {"key": []}],
    }


def _post(endpoint: Endpoint, schema: Any) -> dict[str, Any]:
    media = ("application/json", "text/event-stream", "application/x-ndjson")
    return {
        "summary": _first_line(_dialect(endpoint.handler)),
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {
            "200": {
                "description": "The answer, or a stream of events.",
                "content": {each: {} for each in media},
            },
            **_errors(),
        },
    }


def _get(route: Route) -> dict[str, Any]:
    text = _first_line(route.endpoint)
    names = route.param_convertors
    return {
        "summary": text,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in names
        ],
        "responses": {"200": {"description": text}, **_errors()},
    }


def _dialect(handler: Handler) -> ModuleType:
    """The module, or the package, of an API."""
    name = ".".join(handler.__module__.split(".")[:_DEPTH])
    return sys.modules[name]


def _first_line(of: object) -> str:
    """What a module or a function says of itself."""
    return (inspect.getdoc(of) or "").partition("\n")[0]


def _errors() -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "object"}}}
    return {status: {"description": text, "content": content} for status, text in _ERRORS.items()}
