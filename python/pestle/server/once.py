"""What the log is told once, however often clients give reason to."""

from __future__ import annotations

import logging

log = logging.getLogger("pestle.server")

_MOST = 1000  # texts, which clients may have chosen
_told: set[str] = set()


def tell_once(text: str) -> None:
    """Log a text, unless that was done before."""
    if text not in _told and len(_told) < _MOST:
        _told.add(text)
        log.info("%s", text)
