"""Chats of all shapes, made such that every published template writes all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pestle.chat.adapting import adapted
from pestle.errors import ArgumentError, ArgumentTypeError
from pestle.template import ChatTemplate
from pestle.template.harmony import HarmonyTemplate
from pestle.template.repairs import repaired
from pestle.tokenizer import Tokenizer

from .toy import byte_level

TEMPLATES = sorted((Path(__file__).parents[2] / "data/templates").glob("*.jinja"))
TOKENIZER = Tokenizer.from_gguf(byte_level())
ALL = ("system", "developer", "user", "assistant", "system", "developer", "user")
CHATS = [
    ("system", "system", "user"),
    ("system", "system", "developer", "user", "assistant", "user"),
    ("developer", "user"),
    ("system", "developer", "user"),
    ("system", "user", "assistant", "system", "user"),
    ("user", "assistant", "system", "user"),
    ("user", "assistant", "developer", "user"),
    ("user", "system"),
    ("system", "user", "assistant", "user", "system", "assistant", "user"),
    ("user", "user", "assistant", "assistant", "user", "user"),
    ALL,
]  # fmt: skip


def template_of(path: Path) -> ChatTemplate:
    kind = HarmonyTemplate if "gpt-oss" in path.name else ChatTemplate
    return kind(repaired(path.read_text())[0], TOKENIZER)


def chat(*roles: str) -> list[dict[str, Any]]:
    return [{"role": role, "content": f"said {n}"} for n, role in enumerate(roles)]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_all_that_is_said_is_written_in_its_place(path: Path) -> None:
    template = template_of(path)
    for roles in CHATS:
        messages = chat(*roles)
        text = template.render(template.prepared(adapted(messages, template)))
        at = [text.find(message["content"]) for message in messages]
        assert -1 not in at, (roles, text)
        assert at == sorted(at), (roles, text)


def roles_in(name: str, *roles: str) -> list[tuple[str, str]]:
    template = template_of(next(path for path in TEMPLATES if name in path.stem))
    return [(each["role"], each["content"]) for each in adapted(chat(*roles), template)]


def test_what_changes() -> None:
    assert roles_in("gpt-oss", *ALL) == [(role, f"said {n}") for n, role in enumerate(ALL)]
    assert roles_in("Qwen3-0.6B", *ALL) == [
        (role.replace("developer", "system"), f"said {n}") for n, role in enumerate(ALL)
    ]
    assert roles_in("SmolLM3", *ALL) == [
        ("system", "said 0\n\nsaid 1"), ("user", "said 2"), ("assistant", "said 3"),
        ("user", "said 4"), ("user", "said 5"), ("user", "said 6"),
    ]  # fmt: skip
    assert roles_in("gemma3", *ALL) == [
        ("system", "said 0\n\nsaid 1"), ("user", "said 2"), ("assistant", "said 3"),
        ("user", "said 4\n\nsaid 5\n\nsaid 6"),
    ]  # fmt: skip
    assert roles_in("DeepSeek-V3.1", "system", "user", "assistant", "system", "user")[3] == (
        "user", "said 3",
    )  # fmt: skip


def test_a_template_without_a_system_has_it_in_the_first_question() -> None:
    source = (
        "{% for m in messages %}{% if m.role not in ('user', 'assistant') %}"
        "{{ raise_exception('no') }}{% endif %}{% if loop.index0 and m.role == 'user' and "
        "messages[loop.index0 - 1].role == 'user' %}{{ raise_exception('twice') }}{% endif %}"
        "[{{ m.role }}]{{ m.content }}{% endfor %}"
    )
    template = ChatTemplate(source, TOKENIZER)
    found = adapted(chat("system", "system", "user", "assistant", "user"), template)
    assert [(each["role"], each["content"]) for each in found] == [
        ("user", "said 0\n\nsaid 1\n\nsaid 2"), ("assistant", "said 3"), ("user", "said 4"),
    ]  # fmt: skip


def test_answers_that_are_put_together_keep_their_calls() -> None:
    template = template_of(next(path for path in TEMPLATES if "gemma3" in path.stem))
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    found = adapted(
        [
            {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
            {"role": "assistant", "content": None},
            {"role": "assistant", "content": "So.", "reasoning_content": "Hm."},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "a", "content": [{"type": "text", "text": "1"}]},
            {"role": "tool", "tool_call_id": "b", "content": "2"},
        ],
        template,
    )
    assert found == [
        {"role": "user", "content": "Hi"},
        {
            "role": "assistant",
            "content": "So.",
            "reasoning_content": "Hm.",
            "tool_calls": [call],
        },
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": "2"},
    ]


def test_what_is_wrong_is_named() -> None:
    template = template_of(TEMPLATES[0])
    with pytest.raises(ArgumentTypeError, match="messages is 'Hi', expected a list"):
        adapted("Hi", template)
    with pytest.raises(ArgumentTypeError, match=r"messages\[0\] is 3, expected a mapping"):
        adapted([3], template)
    with pytest.raises(ArgumentError, match=r"messages\[1\] has no content"):
        adapted([*chat("user"), {"role": "user"}], template)
