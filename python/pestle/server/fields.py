"""From the bytes of a body to typed fields, and what becomes of fields that nobody knows."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from pestle import untrusted_json
from pestle.errors import FormatError
from pestle.server.errors import ApiError

T = TypeVar("T", bound=msgspec.Struct)

_PATH = re.compile(r" - at `\$\.?(.*)`$")
_EXACT = 2.0**53
_MISSING = re.compile(r"Object missing required field `(.*?)`")


def parsed(body: bytes) -> dict[str, Any]:
    """The JSON object that a body is. Raises ApiError."""
    try:
        return untrusted_json.parse_object(body, "the body")
    except FormatError as error:
        raise ApiError(400, str(error)) from None


def typed(fields: dict[str, Any], kind: type[T]) -> T:
    """The fields that `kind` has, each of its type. Raises ApiError, which names the first wrong
    one.

    Null is as good as absent everywhere, and 4.0 as 4: clients write either.
    """
    given = {name: _whole(value) for name, value in fields.items() if value is not None}
    if isinstance(given.get("options"), dict):  # Ollama's: Home Assistant has floats in them
        given["options"] = {name: _whole(value) for name, value in given["options"].items()}
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        said = str(error)
        where = _PATH.search(said)
        name = where[1] if where is not None else None
        if (missing := _MISSING.match(said)) is not None:
            name = missing[1] if name is None else f"{name}.{missing[1]}"
            raise ApiError(400, f"{name} is missing", param=name) from None
        what = said if where is None else f"{name}: {said[: where.start()].lower()}"
        raise ApiError(400, what, param=name) from None


def _whole(value: Any) -> Any:
    """4 for 4.0, as languages without integers write it: to JSON Schema, too, it is one."""
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    return value


def unknown(fields: dict[str, Any], kind: type[msgspec.Struct]) -> list[str]:
    """The names of the fields that `kind` does not have."""
    known = {field.encode_name for field in msgspec.structs.fields(kind)}
    return sorted(fields.keys() - known)


def refuse(fields: dict[str, Any], why: dict[str, str]) -> None:
    """Raise ApiError for the first field that would change the answer and is not supported.

    `why` has their names and the reason; a field that is null, false or empty asks for nothing.
    """
    for name, reason in why.items():
        if fields.get(name) not in (None, False, [], {}, ""):
            raise ApiError(400, f"{name} is not supported: {reason}", param=name)
