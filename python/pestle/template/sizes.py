"""How large values are, and what they would be written out: upper bounds, in bytes."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sized
from typing import Any

from jinja2.exceptions import SecurityError
from markupsafe import Markup

from pestle.template.meter import INT_BITS, inside_of, meter

ITEM = 8  # of a list
ENTRY = 104  # of a dict or a set, at its emptiest
OBJECT = 64  # a short string, a small list
ESCAPED = 10  # `\U0001f600`
_OTHER = 400  # a number, the name of a thing
_MOST_DIGITS = 1200  # fewer than INT_BITS have
_WIDEST = 999  # of a field in a format
# %[(key)][flags][width][.precision]type
_FIELD = re.compile(
    r"%(?:\((?P<key>[^()]*)\))?[#0\- +]*(?P<width>\*|\d*)(?:\.(?P<precision>\*|\d*))?[hlL]?"
    r"(?P<type>.)",
    re.DOTALL,
)
_FORMAT_NUMBER = re.compile(r"\d+")


def width(text: str) -> int:
    """Bytes of a character, at most."""
    return 1 if text.isascii() else 4


def size(text: str) -> int:
    """Bytes of a text."""
    return sys.getsizeof(text) if isinstance(text, str) else _OTHER


def written(value: object, *, quoted: bool = False) -> int:
    """Bytes of `str(value)`, or of `repr(value)` if `quoted`."""
    if isinstance(value, str):
        return OBJECT + len(value) * (width(value) * ESCAPED if quoted else width(value))
    if (inside := inside_of(value)) is None:
        return _OTHER if not isinstance(value, int) or value.bit_length() < INT_BITS else 2 << 10
    return sum(_parts(inside)) + _OTHER


def _parts(inside: Iterator[object]) -> Iterator[int]:
    """Bytes of what is inside, all the way down. No value of a template has more than some."""
    stack = [inside]
    step = meter().step
    while stack:
        for item in stack[-1]:
            step()
            if isinstance(item, str):
                # A quoted text of nothing but ASCII that can be printed grows by its quotes alone.
                plain = item.isascii() and item.isprintable()
                yield 4 + len(item) * (2 if plain else width(item) * ESCAPED)
            elif (more := inside_of(item)) is not None:
                stack.append(more)
                yield 4
                break
            else:
                yield 32 if isinstance(item, (int, float)) else _OTHER
        else:
            stack.pop()


def as_json(value: object, indent: int, separators: int) -> int:
    """Bytes of a value as JSON, with so many characters of `indent` and in the separators."""
    if isinstance(value, str):
        return OBJECT + len(value) * 12
    if (inside := inside_of(value)) is None:
        return _OTHER
    n_bytes = _OTHER
    stack, step = [inside], meter().step
    while stack:
        for item in stack[-1]:
            step()
            n_bytes += separators + indent * len(stack) + 8
            if isinstance(item, str):
                n_bytes += len(item) * 12
            elif (more := inside_of(item)) is not None:
                stack.append(more)
                break
            else:
                n_bytes += 32 if isinstance(item, (int, float)) else _OTHER
        else:
            stack.pop()
    return n_bytes


def items(value: object) -> int:
    """Bytes of a list of all that `value` holds; what makes its items one by one pays for each."""
    if isinstance(value, str):
        return len(value) * (ITEM if value.isascii() else ITEM + OBJECT + 12)
    return len(value) * ITEM if isinstance(value, Sized) else 0


def entries(value: object = (), **more: object) -> int:
    """Bytes of a dict of `value` and `more`.

    Refuses numbers of so many bits that many of them could have one hash value.
    """
    keys = value if not isinstance(value, (list, tuple)) else (p[0] for p in value if _is_pair(p))
    if isinstance(value, (dict, list, tuple)):
        for key in keys:  # type: ignore[attr-defined]
            meter().step()
            if isinstance(key, int) and key.bit_length() > 60:
                raise SecurityError("a number of more than 60 bits is a dict's key")
    return ENTRY * (len(more) + (len(value) if isinstance(value, Sized) else 0))


def _is_pair(value: object) -> bool:
    return isinstance(value, (list, tuple, str)) and len(value) == 2


def percent(text: str, right: object) -> int:
    """Bytes of `text % right`. Refuses widths above 999, and those that arguments give."""
    n_bytes, position, end = size(text), 0, 0
    given = right if isinstance(right, tuple) else (right,)
    for match in _FIELD.finditer(text):
        meter().step()
        if "%" in text[end : match.start()]:
            break
        end = match.end()
        kind = match["type"]
        for number in (match["width"], match["precision"] or ""):
            _check_width(number)
        n_bytes += OBJECT + int(match["width"] or 0) + int(match["precision"] or 0)
        if kind == "%":
            continue
        if match["key"] is not None and isinstance(right, dict):
            value = right.get(match["key"])
        else:
            value = given[position] if position < len(given) else None
            position += 1
        n_bytes += written(value, quoted=kind in "ra")
    if "%" in text[end:]:
        raise SecurityError("a format has a `%` without its type")
    return n_bytes * (6 if isinstance(text, Markup) else 1)


def spec(value: object, text: str) -> int:
    """Bytes of `format(value, text)`."""
    for number in _FORMAT_NUMBER.findall(text):
        _check_width(number)
    if isinstance(value, (str, int, float)):
        return written(value) + 8 * _WIDEST
    return written(value) + _WIDEST * len(text)  # a date's spec is a text of its own


def _check_width(number: str) -> None:
    if number == "*" or len(number) > 3:
        raise SecurityError(f"a format has a width of {number[:20]}, at most {_WIDEST} allowed")


def number(value: Any) -> None:
    """Refuse texts of more digits than a number may have."""
    if isinstance(value, str) and len(value) > _MOST_DIGITS:
        raise SecurityError(f"a number has more than {_MOST_DIGITS:,} digits")
