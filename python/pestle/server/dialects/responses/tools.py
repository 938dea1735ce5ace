"""Functions that may be called, and the choice among them, as this API has them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pestle.errors import shown
from pestle.server.errors import ApiError
from pestle.server.once import tell_once

_OF_FUNCTIONS = ("name", "description", "parameters", "strict")


class Tools:
    """The tools of a request.

    Attributes:
        functions: those that the model is told of, as chat completions have them.
        given: the same, as they were given.

    A namespace is a group of functions, such as those of an MCP server; each is told of by a name
    that has both. OpenAI carries out tools of other types itself, or trained its models for them:
    they are left out, so that no model calls what nobody carries out.
    """

    def __init__(self, given: Sequence[Mapping[str, Any]]) -> None:
        self.given = [tool for tool in given if _is_known(tool)]
        self.functions: list[dict[str, Any]] = []
        self._called: dict[str, dict[str, Any]] = {}  # by the names that the model knows
        for namespace, tool in _flat(self.given):
            told = {name: tool[name] for name in _OF_FUNCTIONS if tool.get(name) is not None}
            name = told.get("name")
            if namespace is not None and isinstance(name, str):
                told["name"] = full_name(namespace, name)
                self._called[told["name"]] = {"name": name, "namespace": namespace}
            self.functions.append({"type": "function", "function": told})

    def called(self, name: str) -> dict[str, Any]:
        """The `name` of a function that the model calls and, where it is of one, `namespace`."""
        return self._called.get(name, {"name": name})


def full_name(namespace: Any, name: str) -> str:
    """The name by which the model knows a function."""
    return name if namespace is None else f"{namespace}__{name}"


def choice(given: str | Mapping[str, Any] | None) -> str | dict[str, Any] | None:
    """The choice among tools as chat completions have it. Raises ApiError."""
    if given is None or isinstance(given, str):
        return given
    kind = given.get("type")
    if kind == "function":
        name = full_name(given.get("namespace"), given.get("name", ""))
        return {"type": "function", "function": {"name": name}}
    if kind == "allowed_tools":
        tools = given.get("tools")
        if not isinstance(tools, list) or not all(isinstance(tool, Mapping) for tool in tools):
            said = f"tool_choice: tools is {shown(tools)}, expected a list of tools"
            raise ApiError(400, said, param="tool_choice")
        allowed = {"mode": given.get("mode"), "tools": Tools(tools).functions}
        return {"type": "allowed_tools", "allowed_tools": allowed}
    said = f"tool_choice is of the type {shown(kind)}; only functions can be called"
    raise ApiError(400, said, param="tool_choice")


def _is_known(tool: Mapping[str, Any]) -> bool:
    known = tool.get("type") in ("function", "namespace")
    if not known:
        tell_once(f"tools of the type {shown(tool.get('type'))} are left out")
    return known


def _flat(tools: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str | None, Mapping[str, Any]]]:
    """The functions, and of what namespace each is."""
    for tool in tools:
        if tool["type"] == "function":
            yield None, tool
            continue
        inner = tool.get("tools")
        if not isinstance(inner, list) or not all(isinstance(each, Mapping) for each in inner):
            said = f"tools: those of a namespace are {shown(inner)}, expected a list of tools"
            raise ApiError(400, said, param="tools")
        for each in inner:
            if each.get("type") == "function":
                yield str(tool.get("name")), each
            else:
                tell_once(f"tools of the type {shown(each.get('type'))} are left out")
