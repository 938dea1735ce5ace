"""Server-sent events, as the HTML standard has them."""

from __future__ import annotations

from typing import Any

import msgspec

DONE = b"data: [DONE]\n\n"


def event(data: Any, name: str | None = None) -> bytes:
    """One event; `data` as JSON, which has no line ends."""
    text = msgspec.json.encode(data)  # a tenth of what the standard library takes: 0.2 us
    if name is None:
        return b"data: " + text + b"\n\n"
    return b"event: " + name.encode() + b"\ndata: " + text + b"\n\n"


def comment(text: str) -> bytes:
    """What every client skips; it keeps a connection alive."""
    return f": {text}\n\n".encode()
