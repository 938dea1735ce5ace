"""What each operation of a template may take: the list of all that templates can do.

An operation that is not here does not exist for a template. Each has a function of its operands
that gives the bytes it could make (most are upper bounds) and refuses what could take too long.
Those that give 0 make nothing larger than a list's header, in time proportional to the size of
their operands; and no operand is larger than `Meter.made` lets it be.
"""

from __future__ import annotations

from collections.abc import Callable, Sized
from typing import Any

from jinja2.exceptions import SecurityError
from markupsafe import Markup

from pestle.template import sizes
from pestle.template.meter import INT_BITS, meter
from pestle.template.sizes import ENTRY, ITEM, OBJECT, entries, items, percent, size, width, written

Cost = Callable[..., int]

_ESCAPES = 6  # characters that escaping makes of one, and one for good measure
_MOST_INDENT = 16
_MOST_DATE = 1000
_LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_BLANKS = "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
_NS = 1e-9
_FEW = 64  # items that are searched in no time
_LONG = (str, list, tuple, dict)


def nothing(*_args: object, **_named: object) -> int:
    """Nothing of any size."""
    return 0


# Methods of strings. What is no string in its place is an error of Python's own.


def _same(text: str, *_args: object) -> int:
    return size(text)


def _cased(text: str, *_args: object) -> int:
    return OBJECT + len(text) * (1 if text.isascii() else 12)  # three characters of one, at most


def _forwards(text: str, *sought: object) -> int:
    # Linear, but for short texts.
    for part in sought:
        if isinstance(part, str) and len(text) < 30_000:
            meter().foresee(len(text) * len(part) * _NS)
    return 0


def _backwards(text: str, *sought: object) -> int:
    for part in sought:
        if isinstance(part, str):
            meter().foresee(len(text) * len(part) * _NS)
    return 0


def _stripped(text: str, chars: object = None) -> int:
    if isinstance(chars, str):
        meter().foresee(len(text) * len(chars) * _NS)
    return size(text)


def _parted(text: str, separator: object) -> int:
    return size(text) + 4 * OBJECT + _forwards(text, separator)


def _rparted(text: str, separator: object) -> int:
    return size(text) + 4 * OBJECT + _backwards(text, separator)


def _split(text: str, sep: str | None = None, maxsplit: int = -1) -> int:
    n = sum(map(text.count, _BLANKS)) if sep is None else text.count(sep) if sep else 0
    n = n if maxsplit < 0 else min(n, maxsplit)
    return size(text) + (n + 2) * (OBJECT + ITEM + 12)


def _rsplit(text: str, sep: str | None = None, maxsplit: int = -1) -> int:
    return _split(text, sep, maxsplit) + _backwards(text, sep)


def _lines(text: str, _keepends: bool = False) -> int:
    return size(text) + (sum(map(text.count, _LINE_ENDS)) + 2) * (OBJECT + ITEM + 12)


def replaced(text: str, old: str, new: str, count: int | None = -1) -> int:
    """Bytes of `text` with `new` for every `old`."""
    n = text.count(old)
    n = n if count is None or count < 0 else min(n, count)
    wide = max(width(text), width(new))
    return OBJECT + (len(text) + n * len(new)) * wide


# Comparisons: a step is enough for short values, long ones are worth a look at the clock.


def compared(left: object, right: object = None) -> int:
    """Nothing, after a look at the clock where both are long."""
    if isinstance(left, _LONG) and isinstance(right, _LONG):
        meter().look()
    return 0


def contained(item: object, whole: object) -> int:
    """Nothing, after a look at the clock where `whole` is long."""
    if isinstance(whole, str):
        return _forwards(whole, item)
    if isinstance(item, _LONG) or not isinstance(whole, Sized) or len(whole) > _FEW:
        meter().look()
    return 0


def counted(whole: object, item: object, *_args: object) -> int:
    """As `contained`."""
    return contained(item, whole)


METHODS: dict[type, dict[str, Cost]] = {
    str: {
        **dict.fromkeys(("capitalize", "casefold", "lower", "swapcase", "title", "upper"), _cased),
        **dict.fromkeys(("count", "find", "index", "startswith", "endswith"), _forwards),
        **dict.fromkeys(("isalnum", "isalpha", "isascii", "isdecimal", "isdigit"), nothing),
        **dict.fromkeys(("islower", "isnumeric", "isspace", "istitle", "isupper"), nothing),
        **dict.fromkeys(("rfind", "rindex"), _backwards),
        **dict.fromkeys(("removeprefix", "removesuffix"), _same),
        **dict.fromkeys(("strip", "lstrip", "rstrip"), _stripped),
        "partition": _parted,
        "rpartition": _rparted,
        "split": _split,
        "rsplit": _rsplit,
        "splitlines": _lines,
        "replace": replaced,
        "join": nothing,  # charged item by item: see `TemplateSandbox.call`
        "format": nothing,  # charged field by field: see `formatting`
        "format_map": nothing,
    },
    dict: {
        "copy": entries,
        **dict.fromkeys(("get", "items", "keys", "values"), nothing),
    },
    list: {"copy": items, "count": counted, "index": counted},
    tuple: {"count": counted, "index": counted},
}


# Operators.


def _add(left: Any, right: Any) -> int:
    for kind in (list, tuple):
        if isinstance(left, kind) and isinstance(right, kind):
            return ITEM * (len(left) + len(right))
    if isinstance(left, str) and isinstance(right, str):
        wide = max(width(left), width(right))
        longer = _ESCAPES if isinstance(left, Markup) or isinstance(right, Markup) else 1
        return OBJECT + (len(left) + len(right)) * wide * longer
    return 0


def _multiply(left: Any, right: Any) -> int:
    for factor, count in ((left, right), (right, left)):
        if isinstance(count, int):
            if isinstance(factor, str):
                return OBJECT + max(len(factor) * width(factor) * count, 0)
            if isinstance(factor, (list, tuple)):
                return max(ITEM * len(factor) * count, 0)
    return 0


def _subtract(left: Any, right: Any) -> int:
    if isinstance(left, (int, float, complex)) or not hasattr(left, "__sub__"):
        return 0
    raise SecurityError(f"`-` takes numbers only, not {type(left).__name__}")


def _modulo(left: Any, right: Any) -> int:
    return percent(left, right) if isinstance(left, str) else 0


def _power(left: Any, right: Any) -> int:
    ints = isinstance(left, int) and isinstance(right, int)
    if ints and left.bit_length() * max(right, 0) > INT_BITS:
        raise SecurityError(f"a number has more than {INT_BITS:,} bits")
    return 0


OPERATORS: dict[str, Cost] = {
    "+": _add,
    "-": _subtract,
    "*": _multiply,
    "/": nothing,
    "//": nothing,
    "%": _modulo,
    "**": _power,
}


# Functions.


def _date(text: object) -> int:
    if len(str(text)) > _MOST_DATE:
        raise SecurityError(f"strftime_now takes at most {_MOST_DATE:,} characters")
    return (1 << 10) * len(str(text))


FUNCTIONS: dict[str, Cost] = {
    "range": nothing,  # of at most 100,000 items, made one by one
    "dict": entries,
    "namespace": entries,
    "raise_exception": written,
    "strftime_now": _date,
}


# Filters: their costs take what they take, without what Jinja passes.


def _text(value: object, *_args: object, **_named: object) -> int:
    return written(value)


def _text_cased(value: object) -> int:
    return 12 * written(value) if not isinstance(value, str) else _cased(value)


def _title(value: object) -> int:
    return (OBJECT + ITEM + 12) * written(value)  # it cuts the text at every blank


def _escape(value: object) -> int:
    return _ESCAPES * written(value)


def _trim(value: object, chars: str | None = None) -> int:
    return written(value) if not isinstance(value, str) else _stripped(value, chars)


def _number(value: object, *_args: object, **_named: object) -> int:
    sizes.number(value)
    return OBJECT


def _round(_value: object, precision: int = 0, *_args: object, **_named: object) -> int:
    if abs(precision) > _MOST_INDENT:
        raise SecurityError(f"round has a precision of {precision}, at most 16 allowed")
    return OBJECT


def _sorted(value: object, *_args: object, **_named: object) -> int:
    # A list, one of keys, a key of each: a text in lower case, or a list of attributes.
    return 4 * items(value) + (3 * written(value) if isinstance(value, (list, tuple, dict)) else 0)


def _listed(value: object, *_args: object, **_named: object) -> int:
    return items(value)


def _turned(value: object) -> int:
    return size(value) if isinstance(value, str) else items(value)


def _pairs(value: object, *_args: object, **_named: object) -> int:
    return _sorted(value) + (items(value) // ITEM) * (OBJECT + ITEM)


def _set(value: object, *_args: object, **_named: object) -> int:
    return _sorted(value) + (items(value) // ITEM) * ENTRY


def _indented(
    text: str, wide: int | str = 4, _first: bool = False, _blank: bool = False, **named: Any
) -> int:
    wide = named.get("width", wide)
    n = wide if isinstance(wide, int) else len(wide)
    return 2 * (size(text) + (sum(map(text.count, _LINE_ENDS)) + 1) * (OBJECT + max(n, 0) * 4))


def _replaced(text: object, old: object, new: object, count: int | None = None) -> int:
    return written(text) + replaced(str(text), str(old), str(new), count)


def _formatted(text: object, *args: object, **named: object) -> int:
    return percent(str(text), named or args)


def _json(
    value: object,
    _ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    _sort_keys: bool = False,
    **_named: object,
) -> int:
    if indent is not None and not 0 <= int(indent) <= _MOST_INDENT:
        raise SecurityError(f"tojson indents by {indent}, expected 0 to {_MOST_INDENT}")
    if separators is not None and max(map(len, separators)) > _MOST_INDENT:
        raise SecurityError(f"tojson has a separator of more than {_MOST_INDENT} characters")
    return sizes.as_json(value, int(indent or 0), _MOST_INDENT if separators else 2)


def _each(_value: object, *_args: object, **_named: object) -> int:
    return OBJECT  # their items are charged as they come


FILTERS: dict[str, Cost] = {
    **dict.fromkeys(("abs", "d", "default", "first", "last", "length", "count"), nothing),
    **dict.fromkeys(("max", "min", "sum"), nothing),
    **dict.fromkeys(("capitalize", "lower", "upper"), _text_cased),
    **dict.fromkeys(("e", "escape"), _escape),
    **dict.fromkeys(("string", "safe"), _text),
    **dict.fromkeys(("float", "int"), _number),
    **dict.fromkeys(("items", "map", "reject", "rejectattr", "select", "selectattr"), _each),
    "dictsort": _pairs,
    "format": _formatted,
    "groupby": _pairs,
    "indent": _indented,
    "join": nothing,  # charged item by item
    "list": _listed,
    "replace": _replaced,
    "reverse": _turned,
    "round": _round,
    "sort": _sorted,
    "title": _title,
    "tojson": _json,
    "trim": _trim,
    "unique": _set,
    "wordcount": _title,
}
LAZY = frozenset(("items", "map", "reject", "rejectattr", "select", "selectattr", "unique"))
"""The filters whose items are made when they are asked for."""
WHOLE = frozenset(("groupby", "list", "reverse", "sort", "unique"))
"""The filters that keep all items of what they are given."""

# Tests: most look at a value's kind; some write it out.
TESTS: dict[str, Cost] = {
    **dict.fromkeys(("lower", "upper"), _text),
    **dict.fromkeys(
        (
            *("boolean", "callable", "defined", "divisibleby", "escaped", "even", "false"),
            *("filter", "float", "integer", "iterable", "mapping", "none", "number", "odd"),
            *("sameas", "sequence", "string", "test", "true", "undefined"),
        ),
        nothing,
    ),
    **dict.fromkeys(
        (
            *("!=", "<", "<=", "==", ">", ">=", "eq", "equalto", "ge", "greaterthan", "gt"),
            *("le", "lessthan", "lt", "ne"),
        ),
        compared,
    ),
    "in": contained,
}
