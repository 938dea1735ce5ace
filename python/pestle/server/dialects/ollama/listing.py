"""What tells of the models: `/api/tags`, `/api/ps`, `/api/show` and `/api/version`."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from pestle.errors import Error
from pestle.gguf.description import FileDescription, describe
from pestle.llm import LLM
from pestle.server.dialects.ollama.fields import ShowFields
from pestle.server.endpoint import Call, Reply
from pestle.server.model import Model
from pestle.server.models import Models

_VERSION = "0.12.6"
"""The version of the API whose fields these are: clients ask for one at least."""
RUNNING = "Pestle is running, and speaks Ollama's API"
"""What clients look for at `/`."""
_FOREVER = "9999-12-31T23:59:59Z"


def routes(models: Models, keep_alive: float | None) -> list[Route]:
    """The routes without a body. `keep_alive`: seconds for which models stay without a request."""

    # Not coroutines: files are read.
    def tags(request: Request) -> JSONResponse:
        return JSONResponse({"models": [_listed(*each) for each in models.names.items()]})

    def running(request: Request) -> JSONResponse:
        found = [_running(*each, keep_alive) for each in models.names.items()]
        return JSONResponse({"models": [each for each in found if each is not None]})

    def version(request: Request) -> JSONResponse:
        return JSONResponse({"version": _VERSION})

    return [
        Route("/api/tags", tags),
        Route("/api/ps", running),
        Route("/api/version", version),
    ]


async def show(call: Call[ShowFields]) -> Reply:
    """`POST /api/show`."""
    return Reply(await call.service.prepared(_shown, call.served.llm))


def _running(name: str, model: Model, keep_alive: float | None) -> dict[str, Any] | None:
    """What is told of a model in memory; None for one that is not."""
    if model.llm is None:
        return None
    expires = _FOREVER
    if keep_alive is not None and model.unloadable:
        rest = model.last_used + keep_alive - time.monotonic()
        expires = _written(time.time() + rest)
    return {
        **_listed(name, model),
        "expires_at": expires,
        "size_vram": 0,
        "context_length": model.context_length,
    }


def _listed(name: str, model: Model) -> dict[str, Any]:
    llm = model.llm
    file = _NOTHING if llm is None else _file_of(llm)
    return {
        "name": name,
        "model": name,
        "modified_at": file.modified_at,
        "size": file.size if model.file is None else model.file.size,
        "digest": file.digest,
        "details": _details(llm, file.description),
    }


def _shown(llm: LLM) -> dict[str, Any]:
    file = _file_of(llm)
    known = file.description
    family, template = llm.architecture, llm.template
    info: dict[str, Any] = {
        "general.architecture": family,
        "general.name": llm.name,
        f"{family}.context_length": llm.n_ctx,  # what a text may have here
    }
    if known is not None:
        info |= {
            "general.parameter_count": known.parameters,
            f"{family}.block_count": known.n_layers,
            f"{family}.embedding_length": known.dim,
        }
    sampling = llm.sampling
    names = ("temperature", "top_k", "top_p", "min_p", "repeat_penalty")
    return {
        "license": (known and known.license) or "",
        "modelfile": "",
        "parameters": "\n".join(f"{name:<30} {getattr(sampling, name)}" for name in names),
        "template": "" if template is None else template.source,
        "details": _details(llm, known),
        "model_info": info,
        "capabilities": _capabilities(llm),
        "modified_at": file.modified_at,
    }


def _capabilities(llm: LLM) -> list[str]:
    if llm.pooling is not None:
        return ["embedding"]
    found = ["completion"]
    if llm.template is not None and llm.template.announces_tools:
        found.append("tools")
    return [*found, "thinking"] if llm.reasons else found


def _details(llm: LLM | None, known: FileDescription | None) -> dict[str, Any]:
    family = "" if llm is None else llm.architecture
    return {
        "parent_model": "",
        "format": "gguf",
        "family": family,
        "families": [family],
        "parameter_size": "" if known is None else _count(known.parameters),
        "quantization_level": "" if known is None else known.file_type or known.types[0].name,
    }


def _count(parameters: int) -> str:
    """As Ollama writes it: "7.6B", "494.03M"."""
    if parameters >= 10**9:
        return f"{parameters / 1e9:.1f}B"
    return f"{parameters / 1e6:.2f}M" if parameters >= 10**6 else f"{parameters / 1e3:.2f}K"


@dataclass(frozen=True)
class _File:
    """A model's file: `size` in bytes; `digest` tells it from others, and is none of its bytes."""

    modified_at: str
    size: int
    digest: str
    description: FileDescription | None


_NOTHING = _File("1970-01-01T00:00:00Z", 0, "", None)


def _written(seconds: float) -> str:
    """A time as the API has it; seconds since 1970."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat().replace("+00:00", "Z")


def _file_of(llm: LLM) -> _File:
    try:
        found = Path(llm.path).stat()
    except OSError:  # it is in memory all the same
        return _NOTHING
    return _read(llm.path, found.st_size, found.st_mtime_ns)


@lru_cache(maxsize=64)
def _read(path: str, size: int, modified: int) -> _File:
    try:
        known = describe(path)
    except Error:  # it was replaced since
        known = None
    return _File(
        _written(modified / 1e9),
        size if known is None else known.file_bytes,
        hashlib.sha256(f"{path}\0{size}\0{modified}".encode()).hexdigest(),
        known,
    )


__all__ = ["RUNNING", "ShowFields", "routes", "show"]
