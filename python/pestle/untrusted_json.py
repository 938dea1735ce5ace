"""JSON that others wrote, from a file or a network: strict, and bounded in length and depth.

What comes out has no key twice, no NaN or infinity, no whole number that a float cannot hold and
no half characters. What its fields are is for the caller to check.
"""

from __future__ import annotations

import errno
import json
import math
import re
from pathlib import Path
from typing import Any, Final

from pestle import files
from pestle.errors import Error, FormatError

LONGEST: Final = 100_000_000
"""Bytes; also the bound that safetensors sets for its headers. A tokenizer has 30 million."""
DEEPEST: Final = 128
"""Objects and arrays inside each other. Far below what recursive readers of the result bear."""
_MOST_DIGITS: Final = 308
_CONTAINERS: Final = (dict, list)
_TOO_DEEP: Final = f"it is nested deeper than {DEEPEST} levels"
_HALF_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]")


def read_text(path: Path, longest: int = LONGEST) -> str:
    """The text of a file.

    Error: it cannot be read; FormatError: it is not a regular file, too long or not UTF-8.
    """
    try:
        return read_bytes(path, longest).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: byte {error.start} is not UTF-8") from error


def read_bytes(path: Path, longest: int = LONGEST) -> bytes:
    """All of a file. Raises as `read_text`, but for the encoding."""
    try:
        return files.read_bounded(path, longest)
    except OSError as error:
        if error.errno in (errno.EFBIG, errno.EINVAL):
            raise FormatError(f"{path}: {error.strerror}") from error
        raise Error(f"cannot read {path}: {error.strerror}") from error


def read_object(path: Path, longest: int = LONGEST) -> dict[str, Any]:
    """The object that a JSON file holds; raises as `read_text` and `parse_object` do."""
    return parse_object(read_text(path, longest), str(path))


def parse_object(text: str | bytes, where: str) -> dict[str, Any]:
    """The object that `text` holds; FormatError, which begins with `where`, for anything else."""
    found = parse(text, where)
    if not isinstance(found, dict):
        raise FormatError(f"{where} is {kind(found)}, expected a JSON object")
    return found


def parse(text: str | bytes, where: str) -> Any:
    """The value that `text` holds; FormatError, which begins with `where`, where it is not JSON."""
    try:
        if isinstance(text, bytes):
            text = text.decode()
        found = json.loads(
            text,
            object_pairs_hook=_without_duplicates,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_bounded,
        )
        _check(found, whole_characters=_HALF_ESCAPE.search(text) is not None)
    except RecursionError as error:
        raise FormatError(f"{where} is not valid JSON: {_TOO_DEEP}") from error
    except ValueError as error:
        raise FormatError(f"{where} is not valid JSON: {error}") from error
    return found


def kind(value: object) -> str:
    """What JSON calls a value, for messages: "an array"."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    names = {dict: "an object", list: "an array", str: "a string", int: "a number"}
    return names.get(type(value), "a number")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:60]!r} occurs twice")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number in JSON")


def _finite(digits: str) -> float:
    found = float(digits)
    if math.isinf(found):
        raise ValueError(f"the number {digits:.40} is too large")
    return found


def _bounded(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a number has {len(digits):,} digits, at most {_MOST_DIGITS} are read")
    return int(digits)


def _check(found: Any, *, whole_characters: bool) -> None:
    """ValueError for a value that is too deep, or for half a character if that can be."""
    level: list[Any] = [[found]]
    for _ in range(DEEPEST + 1):
        members: list[Any] = []
        for container in level:
            if type(container) is dict:
                members += container.values()
                if whole_characters:
                    members += container.keys()
            else:
                members += container
        if whole_characters:
            for member in members:
                if type(member) is str:
                    _check_text(member)
        level = [member for member in members if type(member) in _CONTAINERS]
        if not level:
            return
    raise ValueError(_TOO_DEEP)


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{text[:60]!r} holds half a character") from error
