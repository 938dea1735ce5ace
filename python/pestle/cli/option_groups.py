"""How a decorator adds several options to a command and hands their values over as one object."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def collect(
    command: Command,
    options: tuple[Callable[[Any], Any], ...],
    name: str,
    build: Callable[[dict[str, Any]], Any],
) -> Command:
    """Add `options` to a command and pass their values as one argument called `name`."""
    names = [str(parameter.name) for parameter in parameters_of(options)]

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        values = {key: kwargs.pop(key) for key in names}
        return command(*args, **kwargs, **{name: build(values)})

    return apply(wrapper, options)  # type: ignore[return-value]


def parameters_of(options: tuple[Callable[[Any], Any], ...]) -> list[click.Option]:
    """The click objects that option decorators make, in order."""
    probe = apply(lambda: None, options)
    return list(reversed(probe.__click_params__))  # type: ignore[attr-defined]


def apply(command: Command, options: tuple[Callable[[Command], Command], ...]) -> Command:
    for option in reversed(options):  # click lists what was applied last first
        command = option(command)
    return command
