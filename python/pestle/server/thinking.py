"""Thinking as clients of every dialect ask for it, as far as a model has switches for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pestle.errors import UnsupportedError, shown
from pestle.llm import LLM
from pestle.options import ChatOptions
from pestle.server.errors import ApiError
from pestle.server.once import tell_once

_NEAREST = {"minimal": "low", "xhigh": "high", "max": "high"}


def thinking_options(
    llm: LLM,
    *,
    wanted: bool | None = None,
    effort: str | None = None,
    budget: int | None = None,
) -> ChatOptions:
    """The options of a chat for a wish; None: the model's own way. Raises ArgumentError.

    Efforts that models do not know are taken for the nearest that they do, and "none" is no
    thinking, or the least where a model always thinks. Agents send such wishes to any model, so
    what this one has no switch for is its own way too, and logged once.
    """
    if effort == "none":
        wanted, effort = False, None
    if wanted is False and _has_only_efforts(llm):
        wanted, effort = None, "low"
    asked = {
        "reasoning": wanted,
        "reasoning_effort": None if effort is None else _NEAREST.get(effort, effort),
        "reasoning_budget": budget,
    }
    options: dict[str, Any] = {}
    for name, value in asked.items():
        if value is None:
            continue
        try:
            llm.check_switches(**cast(ChatOptions, {name: value}))
        except UnsupportedError as error:
            tell_once(f"{name} of requests is ignored: {error}")
        else:
            options[name] = value
    return cast(ChatOptions, options)


def effort_in(reasoning: Mapping[str, Any] | None) -> str | None:
    """The effort that OpenAI's `reasoning` asks for. Raises ApiError."""
    effort = (reasoning or {}).get("effort")
    if effort is not None and not isinstance(effort, str):
        said = f"reasoning.effort is {shown(effort)}, expected a string"
        raise ApiError(400, said, param="reasoning.effort")
    return effort


def _has_only_efforts(llm: LLM) -> bool:
    """Whether the model can think less, but not do without."""
    try:
        llm.check_switches(reasoning_effort="low")
    except UnsupportedError:
        return False
    try:
        llm.check_switches(reasoning=False)
    except UnsupportedError:
        return True
    return False
