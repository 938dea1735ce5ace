"""What the machine is doing, and what becomes of its models."""

from __future__ import annotations

import time
from typing import Any

from pestle import memory
from pestle.server.model import Model
from pestle.server.models import Models
from pestle.server.page.downloads import Downloads
from pestle.version import own_version


def state(models: Models, downloads: Downloads) -> dict[str, Any]:
    """Everything that the page shows beside the chat; bytes, and seconds of a clock that only
    goes on.
    """
    now = memory.read()
    return {
        "version": own_version(),
        "seconds": time.monotonic(),
        "memory": {
            "total": now.limit or now.total,
            "available": now.available,
            "used": memory.resident(),
        },
        "models": [_model(model) for model in models],
        "downloads": downloads.state(),
    }


def _model(model: Model) -> dict[str, Any]:
    llm = model.llm
    activity = None if llm is None else llm.activity()
    return {
        "name": model.name,
        "state": _state(model),
        "loaded": model.loaded_share,
        "failed": model.failed,
        "bytes": 0 if model.file is None else model.file.size,
        "context": model.context_length,
        "reasons": llm is not None and llm.reasons,
        "unloadable": model.file is not None and llm is not None,
        "running": 0 if activity is None else activity.running,
        "waiting": 0 if activity is None else activity.waiting,
        "written": 0 if activity is None else activity.generated_tokens,
    }


def _state(model: Model) -> str:
    if model.llm is not None:
        return "ready"
    if model.loading:
        return "loading" if model.arriving else "waiting"
    return "unloading" if model.leaving else "unloaded"
