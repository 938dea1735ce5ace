"""What a chat's command raises that cannot be carried out."""

from __future__ import annotations


class RefusedError(Exception):
    """A command that cannot be carried out; the message says why."""
