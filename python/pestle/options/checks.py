"""Checks of single values, in one wording. The errors are imported late: they bring the core."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Callable, Sequence
from numbers import Real
from pathlib import Path
from typing import Any, TypeAlias

StrPath: TypeAlias = str | os.PathLike[str]
INT32_MAX = 2**31 - 1  # the core counts with 32 bits
INT64_MAX = 2**63 - 1  # bytes with 64


def check_seed(seed: int) -> int:
    """Return `seed` as an int of 64 bits without sign. Raises as `check_integer`."""
    return check_integer("seed", seed, 0, 2**64 - 1)


def check_integer(name: str, value: Any, least: int, most: int | None = None) -> int:
    """Return `value`, of any integer type, as an int.

    Raises ArgumentTypeError unless it is an integer (a bool is not), ArgumentError unless it is in
    range.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise mistyped(name, value, "an integer")
    if number < least or (most is not None and number > most):
        wanted = f"{least} or more" if most is None else f"from {least} to {most}"
        raise _out_of_range(name, number, wanted)
    return number


def check_size(name: str, value: Any) -> int:
    """Return a number of bytes, given as one or as a text such as "12GiB". Raises as above."""
    if not isinstance(value, str):
        return check_integer(name, value, 1, INT64_MAX)
    from pestle import sizes

    try:
        return check_integer(name, sizes.parsed(value), 1, INT64_MAX)
    except ValueError as error:
        from pestle.errors import ArgumentError

        raise ArgumentError(f"{name}: {error}") from error


def check_choice(name: str, value: Any, choices: Sequence[str]) -> str:
    """Return `value`, which is one of `choices`. Raises ArgumentTypeError and ArgumentError."""
    if not isinstance(value, str):
        raise mistyped(name, value, " or ".join(choices))
    if value not in choices:
        from pestle.errors import shown

        raise _out_of_range(name, shown(value), " or ".join(choices))
    return value


def check_bool(name: str, value: object) -> bool:
    """Return `value`, which is True or False. Raises ArgumentTypeError."""
    if not isinstance(value, bool):
        raise mistyped(name, value, "True or False")
    return value


def check_number(name: str, value: object, wanted: str, allows: Callable[[float], bool]) -> float:
    """Return `value`, a number that `allows` lets pass, as a float.

    Raises ArgumentTypeError and ArgumentError; `wanted` says in words what is allowed.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise mistyped(name, value, "a number")
    try:
        number = float(value)
    except OverflowError:  # an integer beyond every float
        number = math.inf
    if not allows(number):
        raise _out_of_range(name, value, wanted)
    return number


def check_path(name: str, value: Any) -> Path:
    """Return `value`, which is a path, as one. Raises ArgumentTypeError and ArgumentError.

    An empty text is none, which `Path` takes for this folder.
    """
    if not isinstance(value, (str, os.PathLike)):
        raise mistyped(name, value, "a path")
    if not os.fspath(value):
        raise _out_of_range(name, "''", "a path")
    return Path(value)


def check_progress(value: Any) -> Any:
    """Return `value`, which is a `pestle.models.Progress` or None. Raises ArgumentTypeError."""
    if value is not None and not hasattr(value, "advance"):
        raise mistyped("progress", value, "a pestle.models.Progress")
    return value


def mistyped(name: str, value: object, expected: str) -> Exception:
    """The ArgumentTypeError of a value of the wrong type."""
    from pestle.errors import ArgumentTypeError, shown

    return ArgumentTypeError(f"{name} is {shown(value)}, expected {expected}")


def _out_of_range(name: str, value: object, expected: str) -> Exception:
    from pestle.errors import ArgumentError

    return ArgumentError(f"{name} is {value}, expected {expected}")
