"""Prompts and inputs as OpenAI's text endpoints have them: texts or token ids, one or several."""

from __future__ import annotations

from typing import Any, TypeAlias

from pestle.errors import shown
from pestle.server.errors import ApiError

Prompt: TypeAlias = "str | list[int]"

_EXPECTED = "a string, an array of token ids, or an array of either"


def several(field: str, value: Any, most: int) -> list[Prompt]:
    """The texts that a field of a request holds, `most` at most. Raises ApiError."""
    if isinstance(value, str) or _are_tokens(value):
        return [value]
    if not isinstance(value, list) or not value:
        raise ApiError(400, f"{field} is {shown(value)}, expected {_EXPECTED}", param=field)
    if len(value) > most:
        said = f"{field} has {len(value)} texts, expected {most} at most"
        raise ApiError(400, said, param=field)
    for index, each in enumerate(value):
        if not isinstance(each, str) and not _are_tokens(each):
            said = f"{field}[{index}] is {shown(each)}, expected a string or token ids"
            raise ApiError(400, said, param=field)
    return value


def _are_tokens(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(each) is int for each in value)
