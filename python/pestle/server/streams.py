"""Server-sent events, as the HTML standard has them."""

from __future__ import annotations

import json
from typing import Any

DONE = b"data: [DONE]\n\n"


def event(data: Any, name: str | None = None) -> bytes:
    """One event; `data` as JSON, which has no line ends."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    head = "" if name is None else f"event: {name}\n"
    return f"{head}data: {text}\n\n".encode()


def comment(text: str) -> bytes:
    """What every client skips; it keeps a connection alive."""
    return f": {text}\n\n".encode()
