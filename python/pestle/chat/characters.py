"""Characters that a vocabulary cannot express: refused, or replaced and told of."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pestle.errors import UnknownCharacterError
from pestle.tokenizer.special import map_strings

if TYPE_CHECKING:
    from pestle.engine.loaded import Loaded

_LISTED = 8  # code points in a note


def encoded(
    loaded: Loaded, value: Any, encode: Callable[[Any], list[int]]
) -> tuple[list[int], tuple[str, ...]]:
    """The tokens that `encode` makes of a JSON-like value, and what was replaced in it, in words.

    Raises UnknownCharacterError unless the model was loaded to read something in the place of
    characters that it does not know.
    """
    try:
        return encode(value), ()
    except UnknownCharacterError as error:
        if loaded.unknown_characters != "replace":
            raise UnknownCharacterError(
                f"{error}; unknown_characters='replace' reads another in its place"
            ) from error
    tokenizer = loaded.tokenizer
    counts = Counter[str]()

    def replaced(text: str) -> str:
        unknown = {char for char in {*text} if not tokenizer.can_express(char)}
        counts.update(char for char in text if char in unknown)
        return text.translate(dict.fromkeys(map(ord, unknown), tokenizer.stand_in))

    changed = map_strings(value, replaced)
    return encode(changed), (_note(counts, tokenizer.stand_in),)


def warn_of(notes: Sequence[str], *, above: int = 1) -> None:
    """Tell of what was replaced in a text, where no result can: so many callers above one's own."""
    for note in notes:
        warnings.warn(note, stacklevel=2 + above)


def _note(counts: Counter[str], stand_in: str) -> str:
    n = counts.total()
    found = sorted(counts.items())
    listed = [
        f"{_code(char)}{f' ({times} times)' * (times > 1)}" for char, times in found[:_LISTED]
    ]
    more = f" and {len(found) - _LISTED} others" if len(found) > _LISTED else ""
    what = "1 character of the prompt is" if n == 1 else f"{n:,} characters of the prompt are"
    read = f"read as {_code(stand_in)}" if stand_in else "left out"
    return f"{what} not in the vocabulary and {read}: {', '.join(listed)}{more}"


def _code(char: str) -> str:
    return f"U+{ord(char):04X}"
