"""What is wrong with the names of arguments, in the words that options have."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from pestle.errors import ArgumentTypeError

Init = TypeVar("Init", bound=Callable[..., None])


def known_arguments(init: Init) -> Init:
    """Have a constructor raise ArgumentTypeError for a name it does not have, with the nearest."""
    code = init.__code__
    names = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]

    @wraps(init)
    def checked(*given: Any, **options: Any) -> None:
        for name in options:
            if name not in names:
                from pestle.models.suggest import did_you_mean  # brings the hub

                raise ArgumentTypeError(f"unknown argument {name!r}{did_you_mean(name, names)}")
        init(*given, **options)

    return cast("Init", checked)
