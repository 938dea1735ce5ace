"""The filters and tests that templates may use, each on the meter.

Those that no chat template needs and that make much out of little (center, batch, wordwrap,
lipsum ...) are left out: see `costs`.
"""

from __future__ import annotations

import functools
import json
import operator
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any, cast

from jinja2 import filters, pass_context, pass_environment, pass_eval_context
from jinja2.environment import Environment
from jinja2.exceptions import SecurityError
from jinja2.nodes import EvalContext
from jinja2.runtime import Context
from jinja2.tests import TESTS as JINJA_TESTS
from jinja2.utils import _PassArg

from pestle.template.costs import FILTERS, LAZY, TESTS, WHOLE, Cost, compared, contained
from pestle.template.meter import meter
from pestle.template.sizes import ITEM, entries, items, size, written


def joinable(separator: str, parts: Iterable[Any]) -> list[str]:
    """The parts as text, after accounting for them, and for the outcome of joining them."""
    account, between = meter(), size(separator)
    texts = []
    for part in parts:
        account.spend(2 * written(part) + between + ITEM)
        texts.append(str(part))
    return texts


def tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON as chat templates expect it: Jinja's own escapes it for HTML."""
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


@pass_eval_context
def _join(
    context: EvalContext, value: Iterable[Any], d: str = "", attribute: str | int | None = None
) -> str:
    if attribute is not None:
        value = map(filters.make_attrgetter(context.environment, attribute), value)
    return str(d).join(joinable(str(d), value))


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
    """A list or a dict as a template writes it down."""
    return value


@pass_context
def _concat(_context: Context, parts: list[Any]) -> str:
    return "".join(joinable("", parts))


@pass_context
def _slice(_context: Context, value: Any, start: Any, stop: Any, step: Any) -> Any:
    return value[start:stop:step]


@pass_context
def _chained(_context: Context, value: Any) -> Any:
    """The outcome of comparisons in a row."""
    return value


def _look(_value: object) -> int:
    meter().look()
    return 0


@pass_context
def _in(_context: Context, item: Any, whole: Any) -> bool:
    return item in whole


@pass_context
def _not_in(_context: Context, item: Any, whole: Any) -> bool:
    return item not in whole


def _comparison(operate: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    @pass_context
    def compare(_context: Context, left: Any, right: Any) -> Any:
        return operate(left, right)

    return compare


@pass_context
def _spread(_context: Context, value: Any) -> Any:
    """The arguments of a call, as one value."""
    return value if isinstance(value, (dict, Sized)) else list(value)


@pass_context
def _step(_context: Context, n_bytes: int) -> bool:
    """One turn of a loop, or one call of a macro, which writes so many bytes of its own."""
    return True


def _written_down(value: Any) -> int:
    return entries(value) if isinstance(value, dict) else items(value)


def _cut(value: Any, *_bounds: object) -> int:
    return size(value) if isinstance(value, str) else items(value)


def _turn(n_bytes: int) -> int:
    return n_bytes


MADE, CONCAT, STEP, SLICE, SPREAD = "_made", "_concat", "_step", "_slice", "_spread"
CHAINED = "_chained"
COMPARISONS = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "lteq": operator.le,
    "gt": operator.gt,
    "gteq": operator.ge,
}
"""By Jinja's names for them; `in` and `notin` are further ones."""
OWN: dict[str, tuple[Callable[..., Any], Cost]] = {
    MADE: (_made, _written_down),
    CONCAT: (_concat, items),
    SLICE: (_slice, _cut),
    SPREAD: (_spread, _written_down),
    STEP: (_step, _turn),
    CHAINED: (_chained, _look),
    "_in": (_in, contained),
    "_notin": (_not_in, contained),
    **{f"_{name}": (_comparison(operate), compared) for name, operate in COMPARISONS.items()},
}


def _on_the_meter(name: str, function: Callable[..., Any], cost: Cost) -> Callable[..., Any]:
    passed = 0 if _PassArg.from_obj(function) is None else 1
    lazy, whole = name in LAZY, name in WHOLE

    # `wraps` takes over the attribute by which Jinja knows that a function wants the context.
    @functools.wraps(function)
    def with_meter(*args: Any, **kwargs: Any) -> Any:
        account = meter()
        if whole and isinstance(args[passed], Iterator):
            args = (*args[:passed], account.made(_listed(args[passed])), *args[passed + 1 :])
        account.spend(cost(*args[passed:], **kwargs))
        value = function(*args, **kwargs)
        return _one_by_one(value) if lazy else account.made(value)

    return with_meter


def _one_by_one(values: Iterable[Any]) -> Iterator[Any]:
    account = meter()
    for value in values:
        account.spend(2 * ITEM)
        yield value


def _listed(values: Iterable[Any]) -> list[Any]:
    return list(_one_by_one(values))


_JINJA_FILTERS: dict[str, Callable[..., Any]] = filters.FILTERS
_CHANGED: dict[str, Callable[..., Any]] = {"join": _join, "sum": _sum, "tojson": tojson}
METERED_FILTERS = {
    **{
        name: _on_the_meter(name, _CHANGED.get(name, _JINJA_FILTERS[name]), cost)
        for name, cost in FILTERS.items()
    },
    **{name: _on_the_meter(name, function, cost) for name, (function, cost) in OWN.items()},
}
METERED_TESTS = {
    # Jinja's annotation says no more than that these are functions.
    name: _on_the_meter(name, cast("Callable[..., Any]", JINJA_TESTS[name]), cost)
    for name, cost in TESTS.items()
}
