"""Thinking: from a wish to the variable by which a model's chat template takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pestle.engine.loaded import Loaded
from pestle.errors import ArgumentError, ArgumentTypeError, UnsupportedError, shown
from pestle.options.values import REASONING_EFFORTS

SWITCHES = ("enable_thinking", "thinking")  # what templates call it
EFFORT = "reasoning_effort"


def template_variables(loaded: Loaded, options: Mapping[str, Any]) -> dict[str, Any]:
    """The variables for the template that carry out `reasoning` and `reasoning_effort`.

    Raises UnsupportedError for what the model has no switch for, ArgumentError for a value that no
    model takes.
    """
    wanted, effort = options.get("reasoning"), options.get(EFFORT)
    known = loaded.template.variables if loaded.template is not None else frozenset()
    variables: dict[str, Any] = {}
    if wanted is not None:
        if not isinstance(wanted, bool):
            hint = f"; did you mean {EFFORT}?" if wanted in REASONING_EFFORTS else ""
            raise ArgumentTypeError(
                f"reasoning is {shown(wanted)}, expected True, False or None{hint}"
            )
        switch = next((name for name in SWITCHES if name in known), None)
        if switch is None:
            instead = " It has reasoning_effort." if EFFORT in known else ""
            raise UnsupportedError(f"{loaded.name} has no switch for reasoning.{instead}")
        variables[switch] = wanted
    if effort is not None:
        if effort not in REASONING_EFFORTS:
            raise ArgumentError(
                f"{EFFORT} is {shown(effort)}, expected {', '.join(REASONING_EFFORTS)}"
            )
        if EFFORT not in known:
            raise UnsupportedError(f"{loaded.name} has no reasoning effort to set.")
        variables[EFFORT] = effort
    return variables


def lead_out(loaded: Loaded, budget: int | None) -> tuple[int, ...]:
    """The tokens that end the reasoning; UnsupportedError for a budget of a model without any."""
    tokens = loaded.format.lead_out if loaded.format is not None else ()
    if budget is not None and not tokens:
        raise UnsupportedError(f"{loaded.name} does not reason, so there is no budget to set.")
    return tokens
