"""JSON that others wrote: bounded, without duplicate keys, and an object."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pestle.errors import Error, FormatError

LONGEST = 100_000_000
"""Bytes; also the bound that safetensors sets for its headers. A tokenizer has 30 million."""


def read_text(path: Path, longest: int = LONGEST) -> str:
    """The text of a file. Error: it cannot be read; FormatError: it is too long or no UTF-8."""
    try:
        if (size := path.stat().st_size) > longest:
            raise FormatError(f"{path}: {size:,} bytes, expected at most {longest:,}")
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise Error(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: byte {error.start} is no UTF-8") from error


def read_object(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds; FormatError for any other content."""
    return parse_object(read_text(path), str(path))


def parse_object(text: str | bytes, where: str) -> dict[str, Any]:
    """The object that `text` holds; FormatError, which begins with `where`, for anything else."""
    try:
        found = json.loads(text, object_pairs_hook=_without_duplicates)
    # Deep nesting; a number of thousands of digits, bytes that are no UTF-8 and wrong JSON are
    # ValueErrors.
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{where}: no JSON: {error}") from error
    if not isinstance(found, dict):
        raise FormatError(f"{where}: no JSON object, but a {type(found).__name__}")
    return found


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key `{twice:.60}` occurs twice")
    return found
