"""The filters and tests that templates may use, each put on the meter.

Filters that could make much out of little say so before they do; those that no chat template
needs and that could (center, batch, wordwrap, lipsum ...) are left out.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable
from typing import Any, cast

from jinja2 import filters, pass_context, pass_environment, pass_eval_context
from jinja2.environment import Environment
from jinja2.exceptions import SecurityError
from jinja2.nodes import EvalContext
from jinja2.runtime import Context
from jinja2.tests import TESTS

from pestle.template.meter import meter

_PLAIN = (
    *("abs", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float"),
    *("groupby", "int", "items", "last", "length", "list", "lower", "map", "max", "min"),
    *("reject", "rejectattr", "reverse", "safe", "select", "selectattr", "sort", "string"),
    *("title", "trim", "unique", "upper", "wordcount"),
)
_WIDE = re.compile(r"\d{4}|\*|\{[^{}]*\{")
_MOST_INDENT = 16


def check_format(text: str) -> str:
    """`text`; SecurityError if it is a format that could pad to any width."""
    if _WIDE.search(text):
        raise SecurityError("a format string asks for a width of its own")
    return text


def check_replace(text: str, old: str, new: str) -> None:
    """Account for the outcome of replacing every `old` in `text`."""
    meter().spend_chars(len(text) + text.count(old) * len(new))


def check_join(separator: str, items: Iterable[Any]) -> list[str]:
    """The items as text, after accounting for the outcome of joining them."""
    parts = []
    for item in items:
        parts.append(part := str(item))
        meter().spend_chars(len(part) + len(separator))
    return parts


def tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON as chat templates expect it: Jinja's own escapes it for HTML."""
    if indent is not None and not 0 <= int(indent) <= _MOST_INDENT:
        raise SecurityError(f"tojson indents by {indent}, expected 0 to {_MOST_INDENT}")
    if separators is not None and max(map(len, separators)) > _MOST_INDENT:
        raise SecurityError("tojson has a long separator")
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


@pass_eval_context
def _replace(context: EvalContext, s: str, old: str, new: str, count: int | None = None) -> str:
    check_replace(str(s), str(old), str(new))
    return filters.do_replace(context, s, old, new, count)


@pass_eval_context
def _join(
    context: EvalContext, value: Iterable[Any], d: str = "", attribute: str | int | None = None
) -> str:
    if attribute is not None:
        value = map(filters.make_attrgetter(context.environment, attribute), value)
    return str(d).join(check_join(str(d), value))


def _indent(s: str, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    wide = width if isinstance(width, int) else len(width)
    meter().spend_chars(len(s) + (s.count("\n") + 1) * wide)
    return filters.do_indent(s, width, first, blank)


def _format(value: str, *args: Any, **kwargs: Any) -> str:
    return filters.do_format(check_format(str(value)), *args, **kwargs)


def _round(value: float, precision: int = 0, method: Any = "common") -> float:
    if abs(precision) > _MOST_INDENT:
        raise SecurityError(f"round has a precision of {precision}")
    return filters.do_round(value, precision, method)


@pass_environment
def _sum(
    environment: Environment,
    iterable: Iterable[Any],
    attribute: str | int | None = None,
    start: float = 0,
) -> Any:
    if not isinstance(start, (int, float)):
        raise SecurityError("sum adds up numbers only")
    return filters.do_sum(environment, iterable, attribute, start)


# What the environment puts around the parts of a template that make values.


@pass_context
def _made(_context: Context, value: Any) -> Any:
    return value


@pass_context
def _concat(_context: Context, parts: list[Any]) -> str:
    return "".join(check_join("", parts))


@pass_context
def _step(_context: Context, chars: int) -> None:
    """One turn of a loop, or one call of a macro, which writes so many characters of its own."""
    meter().spend_chars(chars)


MADE, CONCAT, STEP = "_made", "_concat", "_step"


def _on_the_meter(function: Callable[..., Any]) -> Callable[..., Any]:
    # `wraps` takes over the attribute by which Jinja knows that a function wants the context.
    @functools.wraps(function)
    def with_meter(*args: Any, **kwargs: Any) -> Any:
        return meter().spend(function(*args, **kwargs))

    return with_meter


_JINJA_FILTERS: dict[str, Callable[..., Any]] = filters.FILTERS
_FILTERS: dict[str, Callable[..., Any]] = {
    **{name: _JINJA_FILTERS[name] for name in _PLAIN},
    "format": _format,
    "indent": _indent,
    "join": _join,
    "replace": _replace,
    "round": _round,
    "sum": _sum,
    "tojson": tojson,
    MADE: _made,
    CONCAT: _concat,
    STEP: _step,
}
METERED_FILTERS = {name: _on_the_meter(function) for name, function in _FILTERS.items()}
METERED_TESTS = {
    # Jinja's annotation says no more than that these are functions.
    name: _on_the_meter(cast("Callable[..., Any]", function))
    for name, function in TESTS.items()
}
