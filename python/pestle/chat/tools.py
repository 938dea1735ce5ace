"""Tools: Python functions that a model may call, as the model is told of them, and their calls."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeAlias

from pestle.chat.entry import several
from pestle.chat.schemas import Function, function_of
from pestle.engine.waking import in_thread
from pestle.errors import ArgumentError, ArgumentTypeError, shown
from pestle.results import ToolCall

Tool: TypeAlias = Callable[..., Any] | Mapping[str, Any]
"""A function with type hints, or a tool as the OpenAI API has it, which the caller carries out."""

_MEMBERS: tuple[tuple[str, tuple[type, ...], str], ...] = (
    ("description", (str, type(None)), "a string"),
    ("parameters", (Mapping, type(None)), "a JSON schema"),
    ("strict", (bool, type(None)), "True or False"),
)


class Tools:
    """The tools of a chat.

    Attributes:
        given: the tools as they were given.
        described: the tools as the OpenAI API has them, as chat templates want them.
    """

    def __init__(self, tools: Sequence[Tool]) -> None:
        """Raises ArgumentError for what is not a tool, or for two of one name.

        That is an ArgumentTypeError for a function whose hints no schema can say, too.
        """
        if callable(tools):
            raise ArgumentTypeError(f"tools is {shown(tools)}, expected a list of tools")
        self.given = tuple(several("tools", tools, "a list of tools"))
        self._functions: dict[str, Function] = {}
        self.described: list[Mapping[str, Any]] = []
        names = set()
        for n, tool in enumerate(self.given):
            if isinstance(tool, Mapping):
                self.described.append(_checked(f"tools[{n}]", tool))
            elif callable(tool):
                function = function_of(tool)
                self._functions[function.name] = function
                self.described.append(function.described)
            else:
                raise ArgumentTypeError(
                    f"tools[{n}] is {shown(tool)}, expected a function or a mapping"
                )
            name = self.described[-1]["function"]["name"]
            if name in names:
                raise ArgumentError(f"tools[{n}]: there is another tool of the name {shown(name)}")
            names.add(name)

    @classmethod
    def of(cls, tools: Tools | Sequence[Tool] | None) -> Tools:
        """`tools` themselves, if they were described already; without any, none."""
        if isinstance(tools, Tools):
            return tools
        return cls(() if tools is None else tools)

    def runs(self, call: ToolCall) -> bool:
        """Whether a call is of a function; what else was described, the caller carries out."""
        return call.name in self._functions and not call.builtin

    def run(self, call: ToolCall) -> str:
        """Carry out a call: its result, as the model is to read it.

        Whatever goes wrong is the result too, so that the model can do better: a function that
        does not exist, arguments that do not fit, an exception. Raises ArgumentTypeError
        for a coroutine function.
        """
        asked = self._asked(call)
        if isinstance(asked, str):
            return asked
        function, arguments = asked
        if inspect.iscoroutinefunction(function):
            raise ArgumentTypeError(
                f"the tool {call.name} is a coroutine function; use aconverse or aanswer_calls"
            )
        try:
            return _as_text(function(**arguments))
        except (Exception, SystemExit) as error:  # of a function that is not ours
            return _failed(error)

    async def arun(self, call: ToolCall) -> str:
        """`run` for asyncio: coroutine functions are awaited, others run in a thread.

        Cancelled, it returns when the thread has ended.
        """
        asked = self._asked(call)
        if isinstance(asked, str):
            return asked
        function, arguments = asked
        try:
            if inspect.iscoroutinefunction(function):
                return _as_text(await function(**arguments))
            return _as_text(await in_thread(partial(function, **arguments)))
        except (Exception, SystemExit) as error:
            return _failed(error)

    def _asked(self, call: ToolCall) -> tuple[Callable[..., Any], dict[str, Any]] | str:
        """The function of a call, and its arguments; else what is wrong, for the model to read."""
        function = self._functions.get(call.name)
        if function is None or call.builtin:
            known = ", ".join(self._functions) or "none"
            return f"error: there is no tool {call.name!r}; known: {known}"
        try:
            return function.function, function.arguments(call.arguments)
        except ValueError as error:
            return f"error: {error}"


def _checked(where: str, tool: Mapping[str, Any]) -> Mapping[str, Any]:
    """A tool as the OpenAI API has it; a function's description alone is put into one."""
    kind = tool.get("type", "function")
    if kind != "function":
        raise ArgumentError(f"{where} is of the type {shown(kind)}; only functions can be called")
    function = tool.get("function", tool)
    if not isinstance(function, Mapping):
        raise ArgumentTypeError(f"{where}: function is {shown(function)}, expected a mapping")
    name = function.get("name")
    if not isinstance(name, str) or not name:
        raise ArgumentError(f"{where}: the function's name is {shown(name)}, expected a string")
    for key, types, expected in _MEMBERS:
        if not isinstance(function.get(key), types):
            raise ArgumentTypeError(
                f"{where} ({name:.60}): {key} is {shown(function[key])}, expected {expected}"
            )
    return tool if function is not tool else {"type": "function", "function": tool}


def _failed(error: BaseException) -> str:
    return f"error: {type(error).__name__}: {error}"


def _as_text(result: object) -> str:
    if isinstance(result, str):
        return result
    return json.dumps(result, ensure_ascii=False, default=str)
