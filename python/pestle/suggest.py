"""The question that an error asks when a name was nearly right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, candidates: Iterable[str], *, cutoff: float = 0.6) -> str:
    """`; did you mean X?` for the candidate closest to `name`, or nothing when none is close.

    `cutoff`: how close, from 0 to 1.
    """
    by_lowered = {candidate.lower(): candidate for candidate in candidates}
    close = difflib.get_close_matches(name.lower(), by_lowered, n=1, cutoff=cutoff)
    return f"; did you mean {by_lowered[close[0]]}?" if close else ""
