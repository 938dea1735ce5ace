"""Functions that may be called, and the choice among them, as this API has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pestle.errors import shown
from pestle.server.errors import ApiError
from pestle.server.once import tell_once

_OF_FUNCTIONS = ("name", "description", "parameters", "strict")


def functions(given: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The tools that are functions, as chat completions have them.

    OpenAI carries out tools of other types itself, or trained its models for them; they are left
    out here, so that no model calls what nobody carries out.
    """
    found = []
    for tool in given:
        if tool.get("type") == "function":
            known = {name: tool[name] for name in _OF_FUNCTIONS if tool.get(name) is not None}
            found.append({"type": "function", "function": known})
        else:
            tell_once(f"tools of the type {shown(tool.get('type'))} are left out")
    return found


def choice(given: str | Mapping[str, Any] | None) -> str | dict[str, Any] | None:
    """The choice among tools as chat completions have it. Raises ApiError."""
    if given is None or isinstance(given, str):
        return given
    kind = given.get("type")
    if kind == "function":
        return {"type": "function", "function": {"name": given.get("name")}}
    if kind == "allowed_tools":
        allowed = {"mode": given.get("mode"), "tools": _allowed(given.get("tools"))}
        return {"type": "allowed_tools", "allowed_tools": allowed}
    said = f"tool_choice is of the type {shown(kind)}; only functions can be called"
    raise ApiError(400, said, param="tool_choice")


def _allowed(tools: Any) -> list[dict[str, Any]]:
    if not isinstance(tools, list) or not all(isinstance(tool, Mapping) for tool in tools):
        said = f"tool_choice: tools is {shown(tools)}, expected a list of tools"
        raise ApiError(400, said, param="tool_choice")
    return functions(tools)
