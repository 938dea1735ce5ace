"""Calls as every family writes them are what the grammars of forced calls allow, token by token."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pestle import GrammarError, ToolCall
from pestle.constraints import CallableTool, Constraint, Requirements, planner
from pestle.formats import format_of

from tests.unit.formats.answers import Mark
from tests.unit.formats.dialects import coder, hermes, mistral_list, v3, v31, v32

from .babblers import Babbler

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "text": {"type": "string"},
        "n": {"type": "integer"},
        "many": {"type": "array", "items": {"type": "number"}},
        "kind": {"enum": ["a b", "</parameter>"]},
        "maybe": {"type": ["string", "null"]},
        "more": {"type": "object"},
    },
    "required": ["text", "n"],
}
TOOLS = (CallableTool("fs.write", SCHEMA), CallableTool("nothing", {}))
FORMS: dict[str, Any] = {
    "qwen3": hermes, "coder": coder, "deepseek v3": v3, "deepseek v3.1": v31, "deepseek v3.2": v32,
    "mistral": mistral_list,
}  # fmt: skip
ARGUMENTS: list[dict[str, Any]] = [
    {"text": "x", "n": 1},
    {"text": "", "n": -20, "many": [1, 2.5], "kind": "a b"},
    {"text": 'a "b"\n</div> \u4f60 {', "n": 0, "kind": "</parameter>", "maybe": "so", "more": {}},
    {"text": "two\nlines\n", "n": 7, "more": {"a": [None, True]}},
]


def constraint(babbles: Babbler, family: str, **wanted: Any) -> tuple[Any, Constraint]:
    llm = babbles(family)
    prompt = llm.tokenize("<think></think>", parse_special=True)
    assert llm.template is not None
    form = format_of(llm.architecture, llm.template.source, llm.tokenizer)
    plan = planner(Requirements(tools=TOOLS, **wanted), form, llm.tokenizer, llm.n_vocab).plan(
        prompt
    )
    return llm, plan.constraint()


def tokens_of(llm: Any, family: str, calls: list[ToolCall]) -> list[int]:
    """As a model would say it: a token for each mark, the tokenizer's for what is between."""
    tokens: list[int] = []
    said = FORMS[family](calls)
    begins_with_line_end = said[0].isspace()  # which belongs to what stands before
    for piece in said[begins_with_line_end:]:
        mark = isinstance(piece, Mark)
        tokens += [llm.tokenizer.token_id(piece)] if mark else llm.tokenizer.encode(piece)
    return tokens


def ends(llm: Any, held: Constraint) -> bool:
    """Whether the answer may end now."""
    (mask,) = held.masks([])
    return any(mask[end // 32] >> end % 32 & 1 for end in llm.tokenizer.eog_ids)


@pytest.mark.parametrize("family", FORMS)
def test_calls_as_they_are_written_are_allowed(babbles: Babbler, family: str) -> None:
    calls = [ToolCall("fs.write", json.dumps(each, ensure_ascii=False)) for each in ARGUMENTS]
    calls.append(ToolCall("nothing", "{}"))
    for several in ([call] for call in calls):
        llm, held = constraint(babbles, family, must_call=True)
        for n, token in enumerate(tokens := tokens_of(llm, family, several)):
            assert not ends(llm, held) or n == len(tokens)
            held.push(token)
        assert ends(llm, held)
    llm, held = constraint(babbles, family, must_call=True)
    together = tokens_of(llm, family, calls)
    assert held.admitted(together) == len(together)
    _, one = constraint(babbles, family, must_call=True, several=False)
    assert one.admitted(together) < len(together)


@pytest.mark.parametrize("family", FORMS)
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("fs.read", {"text": "x", "n": 1}),
        ("fs.write", {"text": "x"}),
        ("fs.write", {"text": "x", "n": 1.5}),
        ("fs.write", {"text": "x", "n": 1, "kind": "b"}),
        ("fs.write", {"text": "x", "n": 1, "many": ["1"]}),
        ("fs.write", {"text": "x", "n": 1, "other": "1"}),
        ("nothing", {"text": "x"}),
    ],
)
def test_other_calls_are_not(
    babbles: Babbler, family: str, name: str, arguments: dict[str, Any]
) -> None:
    llm, held = constraint(babbles, family, must_call=True)
    tokens = tokens_of(llm, family, [ToolCall(name, json.dumps(arguments))])
    n = held.admitted(tokens)
    assert n < len(tokens)
    for token in tokens[:n]:
        held.push(token)
    with pytest.raises(GrammarError, match="cannot come here"):
        held.push(tokens[n])


@pytest.mark.parametrize("keyword", ["pattern", "minLength", "format"])
def test_what_bare_strings_cannot_hold_is_refused(babbles: Babbler, keyword: str) -> None:
    value: Any = {"pattern": "a+", "minLength": 2, "format": "date"}[keyword]
    parameters = {"type": "object", "properties": {"key": {"type": "string", keyword: value}}}
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    hello = [{"role": "user", "content": "Hi"}]
    for family in ("coder", "deepseek v3.2"):
        with pytest.raises(GrammarError, match=f"tool f: {keyword} of the parameter key"):
            babbles(family).chat(hello, tools=[tool], tool_choice="required", stream=True)
    assert babbles("qwen3").chat(hello, tools=[tool], tool_choice="required", stream=True)


def test_a_tool_that_no_grammar_can_hold_is_named(babbles: Babbler) -> None:
    parameters = {"type": "object", "properties": {"key": {"not": {}}}}
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    for family in FORMS:
        with pytest.raises(GrammarError, match=r'^tool f: Unimplemented keys: \["not"\]$'):
            babbles(family).chat(
                [{"role": "user", "content": "Hi"}], tools=[tool], tool_choice="required"
            )
