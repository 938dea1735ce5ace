"""Thinking: how it is asked for, and the signatures by which it comes back."""

from __future__ import annotations

import base64

from pestle.server.dialects.anthropic.fields import Block

_MARK = "pestle."


def signature(omitted: str = "") -> str:
    """What a block of thinking is signed with.

    Clients hand it back as it is, so where the block shows nothing it has the text that was
    `omitted`: the model reads on where it was.
    """
    return _MARK + base64.urlsafe_b64encode(omitted.encode()).decode()


def read(block: Block) -> str:
    """The text of a block of thinking that comes back, shown or not."""
    signed = block.signature or ""
    if block.thinking or not signed.startswith(_MARK):
        return block.thinking or ""
    try:
        return base64.urlsafe_b64decode(signed[len(_MARK) :]).decode()
    except ValueError:
        return ""  # it was changed, and is no worse than another's
