"""A schema, a grammar, a regular expression or a choice, behind reasoning or without."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pestle import LLM

from .babblers import Babbler

HELLO = [{"role": "user", "content": "Hi"}]
SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "kind": {"enum": ["red", "green", "redder"]},
        "many": {
            "type": "array",
            "items": {"type": "integer", "minimum": -99, "maximum": 99},
            "maxItems": 3,
        },
        "n": {"type": "integer", "minimum": 3, "maximum": 3000},
        "inner": {
            "type": "object",
            "properties": {"yes": {"type": "boolean"}, "no": {"type": "null"}},
            "required": ["yes", "no"],
            "additionalProperties": False,
        },
    },
    "required": ["name", "kind", "many", "n", "inner"],
    "additionalProperties": False,
}
WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "qwen3, told to think": ("qwen3", {"reasoning": True, "reasoning_budget": 30}),
    "opened by the prompt": ("opened", {"reasoning_budget": 30}),
    "harmony": ("harmony", {"reasoning_budget": 30}),
    "v3.1, told to think": ("deepseek v3.1", {"reasoning": True, "reasoning_budget": 30}),
}


def check(text: str) -> None:
    """That it is JSON of the schema."""
    value = json.loads(text)
    assert list(value) == SCHEMA["required"]
    assert len(value["name"]) <= 12
    assert value["kind"] in ("red", "green", "redder")
    assert len(value["many"]) <= 3
    assert all(isinstance(each, int) for each in value["many"])
    assert 3 <= value["n"] <= 3000
    assert value["inner"].keys() == {"yes", "no"}


def answer_is_right(llm: LLM, seed: int, options: dict[str, Any]) -> bool:
    """Whether an answer is JSON of the schema, behind reasoning within its budget."""
    answer = llm.chat(HELLO, json_schema=SCHEMA, seed=seed, max_tokens=2000, **options)
    try:
        check(answer.text)
    except (AssertionError, ValueError):
        return False
    return (
        answer.finish_reason == "stop"
        and bool(answer.reasoning.strip())
        and answer.warnings == ()
        and answer.usage.reasoning_tokens <= options["reasoning_budget"]
    )


@pytest.mark.parametrize("way", WAYS)
def test_valid_json_behind_reasoning_every_time(babbles: Babbler, way: str) -> None:
    """`tools/check_structured.py` does it 200 times."""
    family, options = WAYS[way]
    wrong = [seed for seed in range(15) if not answer_is_right(babbles(family), seed, options)]
    assert wrong == []
