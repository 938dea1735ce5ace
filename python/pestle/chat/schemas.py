"""From a function's signature to the JSON schema by which a model is told of it, and back."""

from __future__ import annotations

import inspect
import json
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Union

from pestle.errors import ArgumentTypeError

_NAMES: dict[Any, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    type(None): "null",
}
_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}
_SECTION = re.compile(r"^(Args|Arguments|Parameters|Returns|Raises|Yields|Examples?)\s*:\s*$")
_ARGUMENT = re.compile(r"^\s+(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)$")


@dataclass(frozen=True)
class Function:
    """A function as a tool."""

    name: str
    function: Callable[..., Any]
    described: Mapping[str, Any]  # as the OpenAI API has it

    def arguments(self, text: str) -> dict[str, Any]:
        """The arguments of a call; ValueError says which of them do not fit."""
        try:
            given = json.loads(text or "{}")
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{self.name}: the arguments are not valid JSON: {error}") from error
        if not isinstance(given, dict):
            raise ValueError(f"{self.name}: the arguments are {text!r:.60}, expected a JSON object")
        schema = self.described["function"]["parameters"]
        properties = schema["properties"]
        if unknown := [name for name in given if name not in properties]:
            raise ValueError(f"{self.name} takes no argument {unknown[0]!r}")
        if missing := [name for name in schema["required"] if name not in given]:
            raise ValueError(f"{self.name} needs the argument {missing[0]!r}")
        for name, value in given.items():
            if not _fits(value, properties[name]):
                wanted = json.dumps(properties[name], ensure_ascii=False)
                raise ValueError(f"{self.name}: {name} is {value!r}, expected {wanted}")
        return given


def function_of(function: Callable[..., Any]) -> Function:
    """A function with type hints as a tool.

    The docstring describes it; an `Args:` section in Google's style describes its parameters.
    Raises ArgumentTypeError for a parameter that a model could not give.
    """
    name = getattr(function, "__name__", type(function).__name__)
    about, of_parameters = _documentation(inspect.getdoc(function) or "")
    hints = typing.get_type_hints(function)
    properties: dict[str, Any] = {}
    required = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            kind = parameter.kind.description
            raise ArgumentTypeError(
                f"{name}: the parameter {parameter} is {kind}; models give arguments by their names"
            )
        try:
            schema = _schema(hints.get(parameter.name, Any))
        except TypeError as error:
            raise ArgumentTypeError(f"{name}: {parameter.name}: {error}") from error
        if parameter.name in of_parameters:
            schema["description"] = of_parameters[parameter.name]
        if parameter.default is parameter.empty:
            required.append(parameter.name)
        elif isinstance(parameter.default, (str, int, float, type(None))):
            schema["default"] = parameter.default
        properties[parameter.name] = schema
    parameters = {"type": "object", "properties": properties, "required": required}
    described = {"name": name, "description": about, "parameters": parameters}
    return Function(name, function, {"type": "function", "function": described})


def _schema(hint: Any) -> dict[str, Any]:
    """The JSON schema of a type hint; TypeError if there is none."""
    if hint is Any:
        return {}
    if hint in _NAMES:
        return {"type": _NAMES[hint]}
    origin, inside = typing.get_origin(hint) or hint, typing.get_args(hint)
    if origin is Literal:
        return {"enum": list(inside), **_common_type(inside)}
    if origin in (Union, types.UnionType):
        options = [_schema(option) for option in inside]
        if all(set(option) == {"type"} and isinstance(option["type"], str) for option in options):
            return {"type": [option["type"] for option in options]}
        return {"anyOf": options}
    if origin in (list, Sequence, tuple, set):
        items = [each for each in inside if each is not ...]
        if len(items) > 1:
            raise TypeError(f"{hint} has no JSON schema")
        return {"type": "array", **({"items": _schema(items[0])} if items else {})}
    if origin in (dict, Mapping):
        values = _schema(inside[1]) if inside else {}
        return {"type": "object", **({"additionalProperties": values} if values else {})}
    raise TypeError(f"{hint!r} has no JSON schema")


def _common_type(values: tuple[Any, ...]) -> dict[str, str]:
    kinds = {_NAMES.get(type(value)) for value in values}
    (kind,) = kinds if len(kinds) == 1 else (None,)
    return {} if kind is None else {"type": kind}


def _fits(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether a value is what a schema of `_schema` allows."""
    if "anyOf" in schema:
        return any(_fits(value, option) for option in schema["anyOf"])
    if "enum" in schema:
        return value in schema["enum"]
    stated = schema.get("type")
    if stated is None:
        return True
    allowed = [stated] if isinstance(stated, str) else stated
    if isinstance(value, bool):
        return "boolean" in allowed
    if not any(isinstance(value, _KINDS[kind]) for kind in allowed):
        return False
    items = schema.get("items", {}) if isinstance(value, list) else {}
    return all(_fits(item, items) for item in value) if items else True


def _documentation(text: str) -> tuple[str, dict[str, str]]:
    """What a docstring says before its sections, and of each parameter in `Args:`."""
    about: list[str] = []
    parameters: dict[str, str] = {}
    section, last = "", ""
    for line in text.splitlines():
        if match := _SECTION.match(line):
            section = match[1]
        elif not section:
            about.append(line)
        elif section in ("Args", "Arguments", "Parameters"):
            if match := _ARGUMENT.match(line):
                last = match[1]
                parameters[last] = match[2].strip()
            elif last and line.strip():
                parameters[last] += f" {line.strip()}"
    return "\n".join(about).strip(), parameters
