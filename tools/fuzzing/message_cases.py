"""Histories, tools and options as programs hand them over, against templates that are right."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from pestle import LLM
from pestle.errors import Error
from pestle.llm.loading import load
from pestle.options import EngineOptions

from fuzzing import chance, conversations, tiny_models
from fuzzing.gguf_document import entry_of
from fuzzing.kinds import Kind
from fuzzing.scratch import in_memory

_OPTIONS: dict[str, list[Any]] = {
    "max_tokens": [1, 3, 0, -1, 2**31, True, "3", 1.5],
    "temperature": [0, 0.0, 1.5, -1, "1", None, float("nan")],
    "top_k": [0, 1, -1, 2**40],
    "top_p": [0, 1, 0.5, 2],
    "stop": ["a", ["a", "b"], [], "", [""], [1], 5],
    "seed": [0, 1, -1, 2**64, "1"],
    "logprobs": [0, 2, 10**6, -1],
    "logit_bias": [{}, {0: 1.0}, {-1: 1.0}, {10**9: 2.0}, {"a": 1}],
    "tool_choice": ["auto", "none", "required", "weather", {}, 5,
                    {"type": "function", "function": {"name": "weather"}},
                    {"type": "function", "function": None}],
    "parallel_tool_calls": [True, False, None, "x"],
    "reasoning": [True, False, None, "yes"],
    "reasoning_effort": ["low", "none", 4],
    "reasoning_budget": [0, 2, -1],
    "response_format": [{"type": "text"}, {"type": "json_object"}, {"type": "json_schema"}, 5, {}],
    "json_schema": ['{"type": "integer"}', "{", "[" * 5000, True, {"type": "boolean"}],
    "choice": [["a", "b"], [], "ab", [1]],
    "regex": ["[ab]+", "(", "a{1000000000}"],
    "frequency_penalty": [0.5, float("inf")],
    "unknown": [1],
}  # fmt: skip
# JSON has neither NaN nor keys that are numbers, so cases hold the places of options.


def make(rng: Random) -> bytes:
    messages, tools = conversations.conversation(rng)
    if rng.random() < 0.05:
        messages = chance.some_json(rng)
    options = {}
    for _ in range(rng.choice([0, 0, 1, 1, 2])):
        name = rng.choice(list(_OPTIONS))
        options[name] = rng.randrange(len(_OPTIONS[name]))
    found = {
        "template": rng.randrange(len(conversations.TEMPLATES)),
        "messages": messages,
        "tools": tools,
        "options": options,
    }
    return json.dumps(found).encode()


@cache
def _model(template: int) -> LLM:
    document = tiny_models.model("llama", "Q8_0").copy()
    key = "tokenizer.chat_template"
    document.entries = [entry for entry in document.entries if entry.key != key]
    document.entries.append(entry_of(key, conversations.TEMPLATES[template]))
    with in_memory() as folder:
        path = Path(folder) / "model.gguf"
        path.write_bytes(document.to_bytes())
        return LLM.from_loaded(load(path, EngineOptions(threads=1, n_ctx=1024), seed=1))


def run(case: bytes, folder: Path, rng: Random) -> None:
    found = chance.expanded(json.loads(case))
    options = {name: _OPTIONS[name][at] for name, at in found["options"].items()}
    options.setdefault("max_tokens", 2)
    _model(found["template"]).chat(found["messages"], tools=found["tools"], **options)


KIND = Kind(make, run, (Error, TypeError, ValueError))
