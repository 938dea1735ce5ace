"""Generated conversations: rounds, tools and their results, reasoning, many scripts."""

from __future__ import annotations

from random import Random
from typing import Any

_WORDS = (
    *(
        "Hello",
        "the",
        "weather",
        "in",
        "K\u00f6ln",
        "\u6771\u4eac",
        "\U0001f600",
        "e\u0301",
        "1 < 2",
    ),
    *("\n", "\n\n", "```py\nx = {}\n```", '"quoted"', "\\n", "{{ x }}", "{% if %}", "&amp;", "\t"),
    *("\u0645\u0631\u062d\u0628\u0627", "<b>", "user:", "system", "it's", "100 %", "\u00a0", "a/b"),
)
TOOLS: list[dict[str, Any]] = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": description,
            "parameters": {
                "type": "object",
                "properties": {
                    "place": {"type": "string", "description": "Where, e.g. \u201cBonn\u201d"},
                    "days": {"type": "integer", "default": 3},
                    "unit": {"type": "string", "enum": ["c", "f"], "default": "c"},
                    "tags": {"type": "array", "items": {"type": "string"}},
                },
                "required": ["place"],
            },
        },
    }
    for name, description in (
        ("get_weather", 'The <weather> of a "place"'),
        ("find", "\u691c\u7d22"),
    )
]


def text(random: Random) -> str:
    return " ".join(random.choice(_WORDS) for _ in range(random.randint(1, 8)))


def conversation(random: Random, *, tools: bool) -> list[dict[str, Any]]:
    """One to four rounds; with `tools` some of them call tools. It ends where the model is next."""
    messages: list[dict[str, Any]] = []
    if random.random() < 0.5:
        messages.append({"role": "system", "content": text(random)})
    n_rounds = random.randint(1, 4)
    for n in range(n_rounds):
        messages.append({"role": "user", "content": text(random)})
        last = n == n_rounds - 1
        if tools and random.random() < 0.6:
            messages += tool_round(random)
            if last:
                return messages
        if not last:
            messages.append(answer(random))
    return messages


def answer(random: Random) -> dict[str, Any]:
    message = {"role": "assistant", "content": text(random)}
    if random.random() < 0.5:
        message["reasoning_content"] = text(random)
    return message


def tool_round(random: Random) -> list[dict[str, Any]]:
    calls = [
        {
            "id": f"call_{n}",
            "type": "function",
            "function": {
                "name": random.choice(TOOLS)["function"]["name"],
                "arguments": random.choice(
                    (
                        {},
                        {"place": text(random)},
                        {
                            "place": text(random),
                            "days": random.randint(0, 9),
                            "tags": [text(random)],
                        },
                    )
                ),
            },
        }
        for n in range(random.randint(1, 3))
    ]
    message: dict[str, Any] = {"role": "assistant", "content": "", "tool_calls": calls}
    if random.random() < 0.5:
        message["reasoning_content"] = text(random)
    results = [
        {
            "role": "tool",
            "tool_call_id": call["id"],
            "name": call["function"]["name"],  # type: ignore[index]
            "content": text(random),
        }
        for call in calls
    ]
    return [message, *results]
