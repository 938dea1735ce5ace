"""The choice among the tools of a chat: which may be called, and whether one has to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pestle.errors import ArgumentError, ArgumentTypeError, shown
from pestle.options.values import TOOL_CHOICES

_ALLOWED = "allowed_tools"
_EXPECTED = (
    f"{', '.join(TOOL_CHOICES)}, or a function or allowed tools as the OpenAI API names them"
)


@dataclass(frozen=True)
class ToolChoice:
    """What `tool_choice` says.

    tells      the model hears of tools at all
    must_call  it has to call one
    names      those that it may call; None: all
    one        a function was named, so one call is meant
    """

    tells: bool = True
    must_call: bool = False
    names: frozenset[str] | None = None
    one: bool = False

    def allows(self, name: str) -> bool:
        """Whether the tool may be called."""
        return self.names is None or name in self.names


def tool_choice(choice: Any, tools: Sequence[Mapping[str, Any]]) -> ToolChoice:
    """Read the option, in each form that the OpenAI API has for it; `tools` are as it has them.

    Raises ArgumentError, ArgumentTypeError for a value of the wrong type.
    """
    if choice is None or choice == "auto":
        return ToolChoice()
    if choice == "none":
        return ToolChoice(tells=False)
    known = [str(tool.get("function", tool).get("name")) for tool in tools]
    if not known:
        raise ArgumentError("tool_choice wants a call, but there are no tools")
    if choice == "required":
        return ToolChoice(must_call=True)
    if isinstance(choice, Mapping) and choice.get("type") == _ALLOWED:
        return _allowed(choice.get(_ALLOWED, choice), known)
    if (name := _name(choice)) is None:
        raise ArgumentError(f"tool_choice is {shown(choice)}, expected {_EXPECTED}")
    return ToolChoice(must_call=True, names=_known([name], known), one=True)


def once_called(choice: Any) -> Any:
    """What a choice becomes when the call that it forces was made."""
    if choice == "none" or not isinstance(choice, Mapping) or choice.get("type") != _ALLOWED:
        return choice if choice == "none" else None
    return {"type": _ALLOWED, _ALLOWED: {**choice.get(_ALLOWED, choice), "mode": "auto"}}


def _allowed(choice: Any, known: Sequence[str]) -> ToolChoice:
    """`{"mode": "auto" or "required", "tools": [...]}`, each tool by its name."""
    if not isinstance(choice, Mapping):
        raise ArgumentTypeError(f"tool_choice: {_ALLOWED} is {shown(choice)}, expected a mapping")
    mode, tools = choice.get("mode"), choice.get("tools")
    if mode not in ("auto", "required"):
        raise ArgumentError(f"tool_choice: mode is {shown(mode)}, expected auto or required")
    if isinstance(tools, (str, bytes, Mapping)) or not isinstance(tools, Sequence) or not tools:
        raise ArgumentTypeError(f"tool_choice: tools is {shown(tools)}, expected a list of tools")
    names = []
    for n, tool in enumerate(tools):
        if (name := _name(tool)) is None:
            raise ArgumentError(f"tool_choice: tools[{n}] is {shown(tool)}, expected a function")
        names.append(name)
    return ToolChoice(must_call=mode == "required", names=_known(names, known))


def _name(choice: Any) -> str | None:
    """The name in `{"type": "function", "function": {"name": ...}}`, or in one without the inner
    object; both are in use.
    """
    if not isinstance(choice, Mapping) or choice.get("type", "function") != "function":
        return None
    function = choice.get("function", choice)
    name = function.get("name") if isinstance(function, Mapping) else None
    return name if isinstance(name, str) else None


def _known(names: Sequence[str], known: Sequence[str]) -> frozenset[str]:
    for name in names:
        if name not in known:
            raise ArgumentError(f"tool_choice names {name!r}, known: {', '.join(known)}")
    return frozenset(names)
