"""What the values of options may be: numbers in a range, sizes, pairs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import click

from pestle.options.checks import check_size


class LogitBias(click.ParamType):  # type: ignore[type-arg]  # generic in new versions only
    """`ID=VALUE`: a token id and what is added to its logit."""

    name = "id=value"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, float]:
        if isinstance(value, tuple):
            return value
        token, equals, bias = str(value).partition("=")
        try:
            if not equals or int(token) < 0:
                raise ValueError
            return int(token), float(bias)
        except ValueError:
            self.fail(f"'{value}' is not ID=VALUE, as in 1234=-5 or 1234=-inf", param, ctx)


class Number(click.ParamType):  # type: ignore[type-arg]  # generic in new versions only
    """A number in a range, described in words where click would print an inequality."""

    name = "number"

    def __init__(
        self, kind: type[int] | type[float], wanted: str, allows: Callable[[Any], bool]
    ) -> None:
        self._kind = kind
        self._wanted = wanted
        self._allows = allows

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | float:
        try:
            number = self._kind(value)
        except ValueError:
            noun = "a whole number" if self._kind is int else "a number"
            self.fail(f"'{value}' is not {noun}.", param, ctx)
        if not self._allows(number):
            self.fail(f"{value} is out of range: {self._wanted} is expected.", param, ctx)
        return number


class MemorySize(click.ParamType):  # type: ignore[type-arg]  # generic in new versions only
    """Bytes, as in 12GB, 12G or 800MiB."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):
            return value
        try:
            return check_size("memory", str(value))
        except ValueError:
            self.fail(f"'{value}' is not a size, as in 12GB or 800MiB.", param, ctx)


def whole_number(least: int) -> Number:
    """A number of tokens, threads or the like, as the core counts them."""
    return Number(int, f"from {least} to 2^31 - 1", lambda value: least <= value < 2**31)


COUNT, POSITIVE = whole_number(0), whole_number(1)
SEED = Number(int, "from 0 to 2^64 - 1", lambda value: 0 <= value < 2**64)
LAST_N = whole_number(-1)
NOT_NEGATIVE = Number(float, "0 or more", lambda value: 0 <= value < math.inf)
ABOVE_ZERO = Number(float, "above 0", lambda value: 0 < value < math.inf)
SHARE = Number(float, "from 0 to 1", lambda value: 0 <= value <= 1)
SHARE_ABOVE_ZERO = Number(float, "above 0 and at most 1", lambda value: 0 < value <= 1)
FINITE = Number(float, "a number", math.isfinite)
ROPE_SCALE = Number(float, "from 1 to 1,000,000", lambda value: 1 <= value <= 1e6)
ROPE_BASE = Number(float, "above 1 and at most 10^12", lambda value: 1 < value <= 1e12)
