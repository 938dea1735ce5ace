"""The question that an error asks when a name was nearly right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """`; did you mean X?` for the candidate closest to `name`, or nothing when none is close."""
    by_lowered = {candidate.lower(): candidate for candidate in candidates}
    close = difflib.get_close_matches(name.lower(), by_lowered, n=1, cutoff=0.6)
    return f"; did you mean {by_lowered[close[0]]}?" if close else ""
