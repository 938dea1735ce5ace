"""Names of tool calls, by which their results refer to them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

_OURS = re.compile(r"call(\d{5})")  # nine letters and digits: Mistral's templates insist
_MOST = 10**5


def call_ids(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Ids for the calls of an answer to `messages`, none of which the messages have.

    They go on from the highest there, and are the same for the same messages.
    """
    used = set()
    for message in messages:
        used.add(message.get("tool_call_id"))
        used.update(call.get("id") for call in message.get("tool_calls") or ())
    numbers = (int(match[1]) for each in used if each and (match := _OURS.fullmatch(each)))
    first = max(numbers, default=-1) + 1
    ids = (f"call{n:05}" for n in chain(range(first, _MOST), range(first)))
    return (each for each in ids if each not in used)
