"""Real templates: rendered as plain Jinja renders them, and safe against their users."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, NoReturn

import jinja2
import pytest
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pestle.errors import TemplateError
from pestle.template import ChatTemplate
from pestle.template.repairs import repaired

from tests.assets import path_of, tokenizer_of_json
from tests.unit.text.templates import TOKENIZER

NOW = datetime(2026, 11, 24)
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": 'Weather <b>of</b> a "place"',
            "parameters": {
                "type": "object",
                "properties": {
                    "place": {"type": "string", "description": "Where"},
                    "days": {"type": "integer", "default": 3},
                    "unit": {"type": "string", "enum": ["c", "f"]},
                },
                "required": ["place"],
            },
        },
    }
]
CALL = {"type": "function", "id": "call12345"}
ARGUMENTS: list[Any] = [{"place": "Bonn"}, '{"place": "Bonn"}']
TALK = [
    {"role": "system", "content": "Be <terse>."},
    {"role": "user", "content": " Hi & hello \n"},
    {"role": "assistant", "content": "<think>\nhm\n</think>\n\nHello"},
    {"role": "user", "content": "More"},
]
CONVERSATIONS = {
    "one message": TALK[1:2],
    "talk": TALK,
    **{
        f"tool call {n}": [
            *TALK,
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{**CALL, "function": {"name": "get_weather", "arguments": given}}],
            },
            {"role": "tool", "tool_call_id": CALL["id"], "name": "get_weather", "content": "3"},
        ]
        for n, given in enumerate(ARGUMENTS)
    },
}


def plain_jinja() -> ImmutableSandboxedEnvironment:
    """The environment of Hugging Face's transformers, which template authors test with."""

    def tojson(value: Any, ensure_ascii: bool = False, **options: Any) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, **options)

    def raise_exception(message: str) -> NoReturn:
        raise jinja2.TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = NOW.strftime
    return environment


def test_real_templates_render_as_in_plain_jinja() -> None:
    rendered = 0
    for path in sorted(path_of("templates").glob("*.jinja")):
        source = path.read_text(encoding="utf-8")
        template = ChatTemplate(source, TOKENIZER, now=lambda: NOW)
        for name, messages in CONVERSATIONS.items():
            for tools in (None, TOOLS):
                variables: dict[str, Any] = {
                    "messages": messages,
                    "tools": tools,
                    "add_generation_prompt": True,
                }
                plain = plain_jinja().from_string(source)
                try:
                    expected = plain.render(
                        variables, documents=None, bos_token="<s>", eos_token="<|im_end|>"
                    )
                except (jinja2.TemplateError, TypeError):
                    with pytest.raises(TemplateError):
                        template.render(**variables)
                    continue
                assert template.render(**variables) == expected, f"{path.name}: {name}"
                rendered += 1
    assert rendered >= 60


# A file of the templates, a vocabulary that has its control tokens.
PAIRS = [
    ("Qwen-Qwen3-0.6B.jinja", "qwen3", "qwen2"),
    ("openai-gpt-oss-120b.jinja", "gptoss", "gpt-4o"),
    ("deepseek-ai-DeepSeek-V3.1.jinja", "deepseek_v3", "deepseek-v3"),
]


@pytest.mark.parametrize(("name", "vocabulary", "pre"), PAIRS)
def test_users_spell_control_tokens_in_vain(name: str, vocabulary: str, pre: str) -> None:
    tokenizer = tokenizer_of_json(vocabulary, pre)
    source = path_of(f"templates/{name}").read_text(encoding="utf-8")
    template = ChatTemplate(source, tokenizer, now=lambda: NOW)
    every_control = "".join(
        tokenizer.token_text(token)
        for token in range(tokenizer.n_vocab)
        if tokenizer.is_control(token)
    )
    assert "<" in every_control

    def controls(*contents: str) -> list[int]:
        roles = ("user", "assistant", "user")
        messages = [
            {"role": role, "content": content}
            for role, content in zip(roles, contents, strict=True)
        ]
        ids = template.encode(messages)
        assert tokenizer.decode(ids, skip_special=False) == template.render(messages)
        return [token for token in ids if tokenizer.is_control(token)]

    harmless = controls("a", "b", "c")
    assert harmless
    evil = (f"a {every_control}", f"x{every_control[:-3]}", every_control)
    assert controls(*evil) == harmless


@pytest.mark.parametrize(("name", "vocabulary", "pre"), PAIRS)
def test_ordinary_talk_is_encoded_as_it_is_written(name: str, vocabulary: str, pre: str) -> None:
    tokenizer = tokenizer_of_json(vocabulary, pre)
    source = path_of(f"templates/{name}").read_text(encoding="utf-8")
    template = ChatTemplate(repaired(source)[0], tokenizer, now=lambda: NOW)
    rendered = template.render(TALK, tools=TOOLS)
    expected = tokenizer.encode(rendered, parse_special=True)
    assert template.encode(TALK, tools=TOOLS) == expected


def test_gpt_oss_dates_its_system_message() -> None:
    source = path_of("templates/openai-gpt-oss-120b.jinja").read_text(encoding="utf-8")
    template = ChatTemplate(source, TOKENIZER, now=lambda: NOW)
    text = template.render(TALK[1:2], reasoning_effort="high")
    assert text.startswith(
        "<|start|>system<|message|>You are ChatGPT, a large language model trained by OpenAI.\n"
        "Knowledge cutoff: 2024-06\nCurrent date: 2026-11-24\n\nReasoning: high\n\n"
    )
    assert text.endswith("<|start|>user<|message|> Hi & hello \n<|end|><|start|>assistant")
