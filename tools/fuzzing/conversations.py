"""Messages and tools as programs hand them over, and templates that lay them out."""

from __future__ import annotations

from random import Random
from typing import Any

from fuzzing import chance

_TOOL_TEMPLATE = (
    "{% if tools %}<|im_start|>system\n{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}"
    '<tool_call>{"name": n, "arguments": a}</tool_call><|im_end|>\n{% endif %}'
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.reasoning_content %}<think>"
    "{{ m.reasoning_content }}</think>{% endif %}{{ m.content or '' }}{% for call in "
    "m.tool_calls or [] %}"
    '<tool_call>{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | '
    "tojson }}}"
    "</tool_call>{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_MISTRAL_TEMPLATE = (
    "{{ bos_token }}{% if tools %}[AVAILABLE_TOOLS]{{ tools | tojson }}{% endif %}{% for m in "
    "messages %}"
    "{% if m.role == 'user' %}[INST]{{ m.content }}[/INST]{% elif m.tool_calls %}[TOOL_CALLS]"
    "{{ m.tool_calls | tojson }}{% else %}{{ m.content | trim }}{{ eos_token }}{% endif %}{% "
    "endfor %}"
)
_STRICT_TEMPLATE = (
    "{% if messages[0].role == 'system' %}{% set system = messages[0].content %}"
    "{% set rest = messages[1:] %}{% else %}{% set rest = messages %}{% endif %}"
    "{% set ns = namespace(n=0) %}{% for m in rest %}{% if (m.role == 'user') != (loop.index0 % "
    "2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}{% set ns.n = ns.n + 1 %}"
    "{{ '<|im_start|>' ~ m.role ~ '\n' ~ m.content.split('</think>')[-1] | trim }}{% endfor %}"
    "{% macro f(x) %}{{ x }}{% endmacro %}{{ f(ns.n) }}{{ strftime_now('%d %b %Y') }}"
)
_QWEN_CODER_TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}{% if m['content'] is string %}"
    "{{ m['content'] }}{% else %}{% for part in m['content'] %}{{ part['text'] }}{% endfor %}{% "
    "endif %}"
    "{% for call in m.tool_calls %}<tool_call>\n<function={{ call.function.name }}>"
    "{% for k, v in call.function.arguments.items() %}<parameter={{ k }}>\n{{ v }}\n</parameter>"
    "{% endfor %}</function>\n</tool_call>{% endfor %}<|im_end|>\n{% endfor %}{{ tools }}"
)
TEMPLATES = (_TOOL_TEMPLATE, _MISTRAL_TEMPLATE, _STRICT_TEMPLATE, _QWEN_CODER_TEMPLATE)

_TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a place.",
        "parameters": {
            "type": "object",
            "properties": {
                "place": {"type": "string"},
                "days": {"type": "integer", "minimum": 1},
                "unit": {"enum": ["C", "F"]},
            },
            "required": ["place"],
        },
    },
}
_CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"place": "Rome", "days": 2}'},
}


def conversation(rng: Random, wrong: float = 0.4) -> tuple[Any, Any]:
    """Messages and tools, each with a share that is of another form than the OpenAI API's."""
    messages: Any = []
    if rng.random() < 0.4:
        messages.append({"role": "system", "content": chance.text(rng)})
    for _ in range(rng.randrange(1, 4)):
        content: Any = chance.text(rng)
        if rng.random() < 0.1:
            content = [{"type": "text", "text": content}]
        messages.append({"role": "user", "content": content})
        answer: dict[str, Any] = {"role": "assistant", "content": chance.text(rng)}
        if rng.random() < 0.4:
            answer["tool_calls"] = [_CALL]
        if rng.random() < 0.3:
            answer["reasoning_content"] = chance.text(rng)
        messages.append(answer)
        if "tool_calls" in answer:
            content = chance.text(rng)
            messages.append({"role": "tool", "tool_call_id": "call_1", "content": content})
    tools: Any = [_TOOL] if rng.random() < 0.6 else None
    if rng.random() < wrong:
        messages = chance.mutated_json(messages, rng, 0.3)
    if tools and rng.random() < wrong:
        tools = chance.mutated_json(tools, rng, 0.3)
    return messages, tools
