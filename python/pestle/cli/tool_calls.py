"""Tools on the command line: where they come from, and who decides that a call is carried out."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pestle.cli.console import Console

if TYPE_CHECKING:
    from pestle import ToolCall
    from pestle.chat.tools import Tool, Tools

MOST_ROUNDS = 16


def load(path: str | None) -> list[Tool]:
    """The tools in a file: the public functions of a Python module, or a JSON list.

    The module is run. Raises UsageError for a file that holds no tools.
    """
    if path is None:
        return []
    if not Path(path).exists():
        raise click.UsageError(f"--tools: no file {path}")
    try:
        found = _functions(path) if path.endswith(".py") else _described(path)
    except click.UsageError:
        raise
    except Exception as error:  # of a module that is not ours, too
        raise click.UsageError(f"--tools: {path}: {type(error).__name__}: {error}") from error
    if not found:
        raise click.UsageError(f"--tools: {path} holds no tools")
    return found


def _functions(path: str) -> list[Tool]:
    name = f"pestle_tools_{Path(path).stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # type hints are looked up there
    spec.loader.exec_module(module)
    return [
        function
        for _, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == name and not function.__name__.startswith("_")
    ]


def _described(path: str) -> list[Tool]:
    from pestle.untrusted_json import parse, read_text

    tools: Any = parse(read_text(Path(path)), path)
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise click.UsageError(f"--tools: {path} is not a JSON list of tools")
    return tools


class Approval:
    """Asks the person about each call, unless everything was allowed."""

    def __init__(
        self, console: Console, *, allowed: bool, ask: Callable[[str], str] | None = None
    ) -> None:
        self._console = console
        self._allowed = allowed
        self._ask = ask or console.ask

    def results(self, calls: Sequence[ToolCall], tools: Tools) -> dict[int, str]:
        """The results that the person gives: of calls that are refused, or not ours to run."""
        from pestle.chat.rounds import REFUSED

        given: dict[int, str] = {}
        for n, call in enumerate(calls):
            if not tools.runs(call) and _is_described(call, tools):
                given[n] = self._ask(f"The result of {call.name}: ")
            elif tools.runs(call) and not self._allows(call):
                given[n] = REFUSED
        return given

    def _allows(self, call: ToolCall) -> bool:
        if self._allowed:
            return True
        question = f"Run {call.name}({call.arguments})? [y]es, [n]o, [a]ll: "
        said = self._ask(question).strip().lower()
        self._allowed = said in ("a", "all")
        return self._allowed or said in ("y", "yes")


def _is_described(call: ToolCall, tools: Tools) -> bool:
    names: list[Any] = [tool.get("function", tool).get("name") for tool in tools.described]
    return call.name in names
