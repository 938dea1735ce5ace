"""Tool calling with the questions of the Berkeley Function Calling Leaderboard (BFCL v4).

For every question and every template the tools are in the prompt, and the reference answer, written
as the template writes calls, is parsed back to exactly that call.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pestle.formats import Content, Event, Reader, format_of
from pestle.results import ToolCall
from pestle.template import template_of
from pestle.tokenizer import Detokenizer, Tokenizer

from tests.assets import path_of, tokenizer_of_json

SETS = ("simple_python", "multiple", "parallel", "parallel_multiple")
MODELS = [
    ("openai-gpt-oss-120b", "gpt-oss", "gptoss", "gpt-4o"),
    ("Qwen-Qwen3-0.6B", "qwen3", "qwen3", "qwen2"),
    ("Qwen-Qwen2.5-7B-Instruct", "qwen2", "qwen3", "qwen2"),
    ("Qwen3-Coder", "qwen3moe", "qwen3", "qwen2"),
    ("llama-cpp-deepseek-r1", "deepseek2", "deepseek_v3", "deepseek-v3"),
    ("deepseek-ai-DeepSeek-V3.1", "deepseek2", "deepseek_v3", "deepseek-v3"),
    ("deepseek-ai-DeepSeek-V3.2", "deepseek2", "deepseek_v3", "deepseek-v3"),
]
TYPES = {"dict": "object", "float": "number", "tuple": "array"}  # BFCL's are Python's


def questions() -> Iterator[tuple[list[dict[str, Any]], list[dict[str, Any]], list[ToolCall]]]:
    """Messages, tools and the reference calls of each question."""
    for name in SETS:
        asked = path_of(f"bfcl/BFCL_v4_{name}.json").read_text(encoding="utf-8").splitlines()
        answers = path_of(f"bfcl/answer_BFCL_v4_{name}.json").read_text(encoding="utf-8")
        for line, answer in zip(asked, answers.splitlines(), strict=True):
            item, truth = json.loads(line), json.loads(answer)
            assert item["id"] == truth["id"]
            tools = [{"type": "function", "function": _schema(tool)} for tool in item["function"]]
            yield item["question"][0], tools, [_call(call) for call in truth["ground_truth"]]


def _schema(value: Any) -> Any:
    """A schema with JSON's names of types; "any" is no restriction."""
    if isinstance(value, list):
        return [_schema(item) for item in value]
    if not isinstance(value, dict):
        return value
    schema = {key: _schema(inside) for key, inside in value.items()}
    if isinstance(kind := schema.get("type"), str):
        schema["type"] = TYPES.get(kind, kind)
        if kind == "any":
            del schema["type"]
    return schema


def _call(truth: dict[str, Any]) -> ToolCall:
    """The first of the acceptable values; "" says that a parameter may be left out."""
    ((name, parameters),) = truth.items()
    chosen = {
        key: next(value for value in values if value != "")
        for key, values in parameters.items()
        if any(value != "" for value in values)
    }
    return ToolCall(name, json.dumps(chosen, ensure_ascii=False))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "architecture", "vocabulary", "pre"), MODELS)
def test_reference_answers_are_parsed_back(
    name: str, architecture: str, vocabulary: str, pre: str
) -> None:
    tokenizer = tokenizer_of_json(vocabulary, pre)
    source = path_of(f"templates/{name}.jinja").read_text(encoding="utf-8")
    template = template_of({"tokenizer.chat_template": source}, tokenizer)
    assert template is not None
    format_ = format_of(architecture, template.source, tokenizer)
    n_calls = 0
    for messages, tools, calls in questions():
        said = {"role": "assistant", "content": "", "tool_calls": [_as_api(c) for c in calls]}
        prompt = template.encode(messages, tools=tools)
        text = tokenizer.decode(prompt, skip_special=False)
        for tool in tools:
            assert tool["function"]["name"] in text
        whole = template.encode([*messages, said], tools=tools, add_generation_prompt=False)
        begin = _common(prompt, whole)
        events = _read(tokenizer, format_.parser(whole[:begin], tools), whole[begin:])
        found = [event for event in events if isinstance(event, ToolCall)]
        # A tag's value has no type of its own: where the reference contradicts the schema (once,
        # `true` for a string), the schema wins.
        expected = [_as_schema(c, tools) if format_.calls == "xml" else c for c in calls]
        assert [(c.name, json.loads(c.arguments)) for c in found] == [
            (c.name, json.loads(c.arguments)) for c in expected
        ], text
        assert not any(isinstance(e, Content) and (e.warning or e.text.strip()) for e in events)
        n_calls += len(found)
    assert n_calls > 1500


def _as_schema(call: ToolCall, tools: list[dict[str, Any]]) -> ToolCall:
    """The call with what is to be a string as a string."""
    (schema,) = (t["function"] for t in tools if t["function"]["name"] == call.name)
    properties = schema["parameters"]["properties"]
    arguments = {
        key: str(value) if properties.get(key, {}).get("type") == "string" else value
        for key, value in json.loads(call.arguments).items()
    }
    return ToolCall(call.name, json.dumps(arguments, ensure_ascii=False))


def _as_api(call: ToolCall) -> dict[str, Any]:
    return {"type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _common(a: list[int], b: list[int]) -> int:
    pairs = zip(a, b, strict=False)
    return next((i for i, (x, y) in enumerate(pairs) if x != y), min(len(a), len(b)))


def _read(tokenizer: Tokenizer, parser: Any, tokens: list[int]) -> list[Event]:
    """What an answer says, up to the token that ends it."""
    reader = Reader(Detokenizer(tokenizer), parser)
    events: list[Event] = []
    for token in tokens:
        if token in tokenizer.eog_ids and not parser.marks.is_mark(token):
            break
        events += reader.push(token)
    return [*events, *reader.finish()]
