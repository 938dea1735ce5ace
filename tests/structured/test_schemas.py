"""A schema, a grammar, a regular expression or a choice, behind reasoning or without."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .babblers import Babbler

HELLO = [{"role": "user", "content": "Hi"}]
SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "kind": {"enum": ["red", "green", "redder"]},
        "many": {"type": "array", "items": {"type": "integer"}, "maxItems": 3},
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


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("n", [15, pytest.param(200, marks=pytest.mark.slow)])
def test_valid_json_behind_reasoning_every_time(babbles: Babbler, way: str, n: int) -> None:
    family, options = WAYS[way]
    llm = babbles(family)
    budget = options["reasoning_budget"]
    led_out = 0
    for seed in range(n):
        answer = llm.chat(HELLO, json_schema=SCHEMA, seed=seed, max_tokens=2000, **options)
        assert answer.finish_reason == "stop"
        check(answer.text)
        assert answer.reasoning.strip()
        assert answer.warnings == ()
        assert answer.usage.reasoning_tokens <= budget
        led_out += answer.usage.reasoning_tokens == budget
    assert led_out > 0  # random weights end their reasoning by chance, but not always so early
