"""Tools: Python functions that a model may call, as the model is told of them, and their calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from pestle.chat.schemas import Function, function_of
from pestle.results import ToolCall

Tool: TypeAlias = Callable[..., Any] | Mapping[str, Any]
"""A function with type hints, or a tool as the OpenAI API has it, which the caller carries out."""


class Tools:
    """The tools of a chat.

    Attributes:
        described: the tools as the OpenAI API has them, as chat templates want them.
    """

    def __init__(self, tools: Sequence[Tool]) -> None:
        """Raises TypeError for a function whose hints no schema can say, and for other things."""
        self._functions: dict[str, Function] = {}
        self.described: list[Mapping[str, Any]] = []
        for tool in tools:
            if callable(tool):
                function = function_of(tool)
                self._functions[function.name] = function
                self.described.append(function.described)
            elif isinstance(tool, Mapping):
                self.described.append(tool)
            else:
                raise TypeError(f"a tool is {tool!r:.60}, expected a function or a mapping")

    def runs(self, call: ToolCall) -> bool:
        """Whether a call is of a function; what else was described, the caller carries out."""
        return call.name in self._functions and not call.builtin

    def run(self, call: ToolCall) -> str:
        """Carry out a call: its result, as the model is to read it.

        Whatever goes wrong is the result too, so that the model can do better: a function that
        does not exist, arguments that do not fit, an exception.
        """
        function = self._functions.get(call.name)
        if function is None or call.builtin:
            known = ", ".join(self._functions) or "none"
            return f"error: there is no tool {call.name!r}; known: {known}"
        try:
            arguments = function.arguments(call.arguments)
        except ValueError as error:
            return f"error: {error}"
        try:
            return _as_text(function.function(**arguments))
        except Exception as error:  # of a function that is not ours
            return f"error: {type(error).__name__}: {error}"


def described(tools: Sequence[Tool] | None) -> list[Mapping[str, Any]] | None:
    """Tools as the OpenAI API has them; None without any."""
    return Tools(tools).described if tools else None


def _as_text(result: object) -> str:
    if isinstance(result, str):
        return result
    return json.dumps(result, ensure_ascii=False, default=str)
