"""Calls that a model has to make, each in its own form, and arguments that fit the schema."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .babblers import FAMILIES, Babbler

HELLO = [{"role": "user", "content": "Hi"}]
FIND = {
    "name": "find_it",
    "parameters": {
        "type": "object",
        "properties": {
            "text": {"type": "string", "maxLength": 8},
            "where": {"enum": ["here", "there"]},
            "n": {"type": "integer", "minimum": 0, "maximum": 99},
            "yes": {"type": "boolean"},
        },
        "required": ["text", "where", "n"],
        "additionalProperties": False,
    },
}
REST = {"name": "rest", "parameters": {"type": "object", "additionalProperties": False}}
TOOLS = [{"type": "function", "function": each} for each in (FIND, REST)]
NAMED = {"type": "function", "function": {"name": "find_it"}}
CALLING = [name for name in FAMILIES if name not in ("plain", "spelled")]


BARE = ("coder", "deepseek v3.2")
"""Their strings stand bare between tags, which random weights do not close in a lifetime."""


def tools_of(family: str) -> list[dict[str, Any]]:
    found = json.loads(json.dumps(TOOLS))
    if family in BARE:
        parameters = found[0]["function"]["parameters"]
        del parameters["properties"]["text"]
        parameters["required"].remove("text")
    return found


def check(call: Any, family: str) -> None:
    assert not call.builtin
    arguments = json.loads(call.arguments)
    if call.name == "rest":
        assert arguments == {}
        return
    assert call.name == "find_it"
    wanted = ["text", "where", "n"][family in BARE :]
    assert list(arguments) in (wanted, [*wanted, "yes"])
    assert len(arguments.get("text", "")) <= 8
    assert arguments["where"] in ("here", "there")
    assert 0 <= arguments["n"] <= 99
    assert isinstance(arguments.get("yes", True), bool)


def options_of(family: str) -> dict[str, Any]:
    has_no_thoughts = family in ("coder", "deepseek v3", "mistral", "mistral args", "llama 3")
    return {} if has_no_thoughts else {"reasoning_budget": 12}


@pytest.mark.parametrize("family", CALLING)
def test_a_call_has_to_be_made(babbles: Babbler, family: str) -> None:
    llm = babbles(family)
    names = set()
    for seed in range(6):
        answer = llm.chat(
            HELLO,
            tools=tools_of(family),
            tool_choice=NAMED if seed % 2 else "required",
            parallel_tool_calls=False,
            seed=seed,
            temperature=3.0,
            max_tokens=500,
            **options_of(family),
        )
        # The grammar leaves no second call: the model itself ends the answer.
        assert answer.finish_reason == "stop"
        assert answer.stop_reason in llm.tokenizer.eog_ids
        (call,) = answer.tool_calls
        check(call, family)
        names.add(call.name)
        assert call.name == "find_it" or seed % 2 == 0
        assert (answer.text, answer.warnings) == ("", ())
    assert "find_it" in names


@pytest.mark.parametrize("family", CALLING)
def test_a_forced_call_comes_as_it_is_written(babbles: Babbler, family: str) -> None:
    llm = babbles(family)
    options: dict[str, Any] = {
        "tools": tools_of(family),
        "tool_choice": NAMED,
        "seed": 3,
        "temperature": 3.0,
        "max_tokens": 500,
        **options_of(family),
    }
    with llm.chat(HELLO, **options, stream=True) as stream:
        chunks = [*stream]
    (call,) = stream.result().tool_calls
    deltas = [delta for chunk in chunks for delta in chunk.call_deltas]
    assert "".join(delta.arguments for delta in deltas) == call.arguments
    assert (deltas[0].id, deltas[0].name) == (call.id, "find_it")
    assert len(deltas) > 3
    assert [delta.id for delta in deltas[1:]] == [""] * (len(deltas) - 1)
    alone = llm.chat(HELLO, **options)
    assert alone.tool_calls == (call,)
    assert alone.token_ids == stream.result().token_ids
