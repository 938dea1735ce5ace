"""Tools as Anthropic describes them, and which of them is to be called."""

from __future__ import annotations

from typing import Any

from pestle.errors import shown
from pestle.server.dialects.anthropic.fields import Tool, ToolChoice
from pestle.server.errors import ApiError
from pestle.server.once import tell_once

_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def described(tools: list[Tool] | None) -> list[dict[str, Any]] | None:
    """The tools as chat templates know them; None for none. Raises ApiError.

    Those that Anthropic's servers carry out, or its models were trained with, have no description
    that could be given to another model. They are left out, which is logged once: clients offer
    them to any model.
    """
    found = []
    for n, tool in enumerate(tools or ()):
        if tool.type not in (None, "custom"):
            tell_once(f"tools of the type {tool.type[:60]!r} are not there for this model")
            continue
        if not tool.name or tool.input_schema is None:
            said = f"tools[{n}]: it needs name and input_schema"
            raise ApiError(400, said, param=f"tools[{n}]")
        function = {  # in the order in which models were taught
            "name": tool.name,
            "description": tool.description,
            "parameters": tool.input_schema,
            "strict": tool.strict,
        }
        function = {name: value for name, value in function.items() if value is not None}
        found.append({"type": "function", "function": function})
    return found or None


def choice(wanted: ToolChoice | None, tools: list[dict[str, Any]] | None) -> dict[str, Any]:
    """The options of a chat for a choice among `tools`. Raises ApiError."""
    if wanted is None:
        return {}
    if tools is None and wanted.type in ("any", "tool"):
        said = "tool_choice wants a call, but there is no tool that this model could call"
        raise ApiError(400, said, param="tool_choice")
    options: dict[str, Any] = {}
    if wanted.disable_parallel_tool_use:
        options["parallel_tool_calls"] = False
    if wanted.type != "tool":
        return {**options, "tool_choice": _CHOICES[wanted.type]}
    known = [tool["function"]["name"] for tool in tools or ()]
    if wanted.name not in known:
        said = f"tool_choice names {shown(wanted.name)}, known: {', '.join(known)}"
        raise ApiError(400, said, param="tool_choice.name")
    return {**options, "tool_choice": {"type": "function", "function": {"name": wanted.name}}}
