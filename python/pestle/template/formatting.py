"""`str.format` for templates: each field is charged before it is written."""

from __future__ import annotations

from collections.abc import Callable
from types import BuiltinMethodType, MethodType
from typing import Any

from jinja2.environment import Environment
from jinja2.sandbox import SandboxedEscapeFormatter, SandboxedFormatter
from markupsafe import Markup

from pestle.template.meter import meter
from pestle.template.sizes import OBJECT, spec, written


class _ChargingFormatter:
    """What both formatters charge."""

    def format_field(self, value: Any, format_spec: str) -> Any:
        meter().spend(OBJECT + 6 * spec(value, format_spec))
        return super().format_field(value, format_spec)  # type: ignore[misc]

    def convert_field(self, value: Any, conversion: str | None) -> Any:
        if conversion is not None:
            meter().spend(written(value, quoted=True))
        return super().convert_field(value, conversion)  # type: ignore[misc]

    def get_field(self, field_name: str, args: Any, kwargs: Any) -> Any:
        meter().step()
        return super().get_field(field_name, args, kwargs)  # type: ignore[misc]


class _Formatter(_ChargingFormatter, SandboxedFormatter):
    pass


class _EscapeFormatter(_ChargingFormatter, SandboxedEscapeFormatter):
    pass


def format_method(environment: Environment, method: Any) -> Callable[..., str] | None:
    """The form of a string's `format` or `format_map` that templates get; None for other things."""
    if not isinstance(method, (BuiltinMethodType, MethodType)):
        return None
    text = method.__self__
    if method.__name__ not in ("format", "format_map") or not isinstance(text, str):
        return None
    maps = method.__name__ == "format_map"
    formatter: Any = (
        _EscapeFormatter(environment, escape=text.escape)
        if isinstance(text, Markup)
        else _Formatter(environment)
    )

    def wrapped(*args: Any, **kwargs: Any) -> str:
        if maps:
            (kwargs,), args = args, ()
        meter().spend(2 * len(text))
        return type(text)(formatter.vformat(text, args, kwargs))

    return wrapped
