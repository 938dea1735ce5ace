"""From the options that say what an answer has to be to a plan for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pestle.chat.choice import ToolChoice
from pestle.errors import ArgumentError, ArgumentTypeError, shown
from pestle.formats import Format, UntaughtCalls
from pestle.formats.calls import schemas_of
from pestle.options.values import GRAMMARS

if TYPE_CHECKING:
    from pestle.constraints import Grammar, Plan, Planner, Requirements
    from pestle.engine.loaded import Loaded


def plan_of_text(loaded: Loaded, options: Mapping[str, Any]) -> Plan | None:
    """What the options ask of the continuation of a text; None if nothing.

    Raises ArgumentError and GrammarError for what cannot be held.
    """
    if (grammar := _grammar(options)) is None:
        return None
    from pestle.constraints import text_plan

    return text_plan(grammar, loaded.tokenizer, loaded.n_vocab, loaded.format)


def parser_of(options: Mapping[str, Any]) -> Callable[[str], Any] | None:
    """What reads an answer that the options want as JSON; None where they want none.

    A class that has a schema reads what is of it, as pydantic's models do.
    """
    schema, form = options.get("json_schema"), options.get("response_format")
    if schema is None and (not isinstance(form, Mapping) or form.get("type") != "text"):
        schema = form
    if schema is None:
        return None
    reads = getattr(schema, "model_validate_json", None)
    return reads if isinstance(schema, type) and callable(reads) else json.loads


def planner_of(loaded: Loaded, wanted: Requirements | None) -> Planner | None:
    """What plans answers that are held to what is `wanted`. Raises as above."""
    if wanted is None:
        return None
    from pestle.constraints import planner

    form = loaded.format or Format("plain", None, False, (), loaded.tokenizer)
    return planner(wanted, form, loaded.tokenizer, loaded.n_vocab)


def untaught_calls(
    tools: Sequence[Mapping[str, Any]] | None, wanted: Requirements | None, choice: ToolChoice
) -> UntaughtCalls | None:
    """What finds calls in another form than the template teaches; None where none may count.

    Content that is held to a grammar is what was asked for, and a call that is to be held to its
    tool's schema would not be.
    """
    if wanted is not None and (wanted.grammar is not None or wanted.must_call):
        return None
    functions = [tool.get("function", tool) for tool in tools or ()]
    free = [each for each in functions if not each.get("strict") and choice.allows(each["name"])]
    return UntaughtCalls(schemas_of(free)) if free else None


def _grammar(options: Mapping[str, Any]) -> Grammar | None:
    if all(options.get(name) is None for name in (*GRAMMARS, "response_format")):
        return None
    from pestle.constraints import grammar_of  # brings llguidance

    return grammar_of(options)


def wanted_of(
    options: Mapping[str, Any], tools: Sequence[Mapping[str, Any]] | None, choice: ToolChoice
) -> Requirements | None:
    """What the options and the tools that the model is told of ask of an answer; None if nothing.

    Raises as `plan_of_text`, for whatever can be found before there is a prompt.
    """
    tools = tools or ()
    grammar = _grammar(options)
    several = options.get("parallel_tool_calls")
    if several is not None and not isinstance(several, bool):
        raise ArgumentTypeError(f"parallel_tool_calls is {shown(several)}, expected True or False")
    functions = [tool.get("function", tool) for tool in tools]
    strict = any(function.get("strict") for function in functions)
    must_call = choice.must_call
    some = any(not choice.allows(function["name"]) for function in functions)
    if must_call and grammar is not None:
        raise ArgumentError(
            "a forced call leaves no text for a schema or grammar: give one of them"
        )
    if grammar is None and not must_call and not strict and not some:
        return None
    from pestle.constraints import CallableTool, Requirements

    held = [
        CallableTool(
            str(function.get("name")),
            function.get("parameters") or {} if must_call or function.get("strict") else None,
        )
        for function in functions
        if choice.allows(function["name"])
    ]
    return Requirements(
        grammar=grammar,
        tools=tuple(held),
        must_call=must_call,
        several=several if several is not None else not choice.one,
        reasoning=options.get("reasoning"),
    )
