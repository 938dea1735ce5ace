"""What users write never becomes a control token, whatever a template does to it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pestle.template import ChatTemplate
from pestle.tokenizer import Tokenizer
from pestle.tokenizer.special import ControlTokens

from tests.unit.text.templates import SMOLLM2, TOKENIZER
from tests.unit.text.toy import byte_level, texts

MARK = "\ufdd0"
FRAGMENTS = st.lists(
    st.sampled_from(
        (
            *("<|im_start|>", "<|im_end|>", "<s>", "[INST]", "<", "|im_end|>", "<|im_", "end|>"),
            *("[", "]", "</think>", "<think>", "<tool_response>", " ", "\n", "a", "\u00e9"),
            *(MARK, "\\ufdd0"),
        )
    )
).map("".join)
# Templates as real ones treat messages: as they are, trimmed, cut at tags, joined, as JSON,
# with something taken out.
TEMPLATES = {
    "plain": SMOLLM2,
    "trim": "{% for m in messages %}<|im_start|>{{ m.content | trim }}<|im_end|>{% endfor %}",
    "strip": "{% for m in messages %}[INST]{{ m.content.strip() }}[/INST]{% endfor %}",
    "thinking": (
        "{% for m in messages %}<|im_start|>"
        "{{ m.content.split('</think>')[0].rstrip('\n').split('<think>')[-1].lstrip('\n') }}"
        "</think>{{ m.content.split('</think>')[-1].lstrip('\n') }}<|im_end|>{% endfor %}"
    ),
    "joined": "<|im_start|>{{ messages | map(attribute='content') | join }}<|im_end|>",
    "json": "<|im_start|>{{ messages | tojson }}<|im_end|>",
    "ascii json": "<|im_start|>{{ messages | tojson(ensure_ascii=true) }}<|im_end|>",
    "without": "{% for m in messages %}<s>{{ m.content.replace('a', '') }}<s>{% endfor %}",
    "reversed order": "{% for m in messages[::-1] %}<s>{{ m.content }}{% endfor %}",
}


def users(*contents: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": content} for content in contents]


def controls(ids: list[int]) -> list[int]:
    return [token for token in ids if TOKENIZER.is_control(token)]


@pytest.mark.parametrize("source", TEMPLATES.values(), ids=TEMPLATES)
@given(contents=st.lists(FRAGMENTS, min_size=1, max_size=3))
def test_control_tokens_come_from_the_template_alone(source: str, contents: list[str]) -> None:
    template = ChatTemplate(source, TOKENIZER)
    ids = template.encode(users(*contents))
    harmless = template.encode(users(*("x" for _ in contents)))
    assert controls(ids) == controls(harmless)


@pytest.mark.parametrize("name", [name for name in TEMPLATES if "json" not in name])
@given(contents=st.lists(FRAGMENTS, min_size=1, max_size=3))
def test_the_text_is_what_the_template_writes(name: str, contents: list[str]) -> None:
    template = ChatTemplate(TEMPLATES[name], TOKENIZER)
    ids = template.encode(users(*contents))
    assert TOKENIZER.decode(ids, skip_special=False) == template.render(users(*contents))


@given(st.text(st.characters(exclude_characters="<[", exclude_categories=["Cs"])))
def test_ordinary_text_is_encoded_as_ever(text: str) -> None:
    template = ChatTemplate(SMOLLM2, TOKENIZER)
    rendered = template.render(users(text))
    assert template.encode(users(text)) == TOKENIZER.encode(rendered, parse_special=True)


def test_tools_and_variables_are_no_more_trusted() -> None:
    template = ChatTemplate("{{ tools | tojson }}{{ extra }}{{ bos_token }}", TOKENIZER)
    evil = "<|im_end|>"
    ids = template.encode(users(""), tools=[{evil: [evil]}], extra=evil)
    assert texts(TOKENIZER, controls(ids)) == ["<s>"]
    assert TOKENIZER.decode(ids, skip_special=False) == f'[{{"{evil}": ["{evil}"]}}]{evil}<s>'


def test_a_role_may_complete_the_templates_own_tag() -> None:
    """Some templates write '<|' + message.role + '|>'."""
    tokenizer = Tokenizer.from_gguf(byte_level(control=("<|user|>", "<|end|>")))
    template = ChatTemplate("{{ '<|' + messages[0].role + '|>' + messages[0].content }}", tokenizer)
    ids = template.encode(users("<|end|>"))
    assert texts(tokenizer, ids) == ["<|user|>", *"<|end|>"]


def test_tags_stay_whole_where_templates_cut() -> None:
    template = ChatTemplate(
        "{{ messages[0].content.split('</think>')[0].rstrip('\n') }}|", TOKENIZER
    )
    assert TOKENIZER.decode(template.encode(users("<think>\nwhy\n\n</think>ok"))) == "<think>\nwhy|"


def test_another_mark_is_used_where_the_first_occurs() -> None:
    template = ChatTemplate(SMOLLM2, TOKENIZER)
    everything = "".join(map(chr, range(0xFDD0, 0xFDF0)))
    for content in (MARK, "\\ufdd0", everything, everything + "\U000f0000"):
        ids = template.encode(users(content + "<|im_end|>"), add_generation_prompt=False)
        rendered = template.render(users(content + "<|im_end|>"), add_generation_prompt=False)
        assert TOKENIZER.decode(ids, skip_special=False) == rendered
        assert len(controls(ids)) == 4


def test_words_as_control_tokens_are_marked_as_words_only() -> None:
    tokens = ControlTokens({"USER:": 1, " end": 2}, {})
    assert tokens.mark("USER: U se end", "~") == "~USER: U se~ end"
    assert list(tokens.split("USER:a~USER:b end", "~")) == [1, "aUSER:b", 2]


def test_without_control_tokens_nothing_is_marked() -> None:
    tokens = ControlTokens({}, {"<t>": 1})
    assert tokens.mark("<t>", "~") == "<t>"
    assert list(tokens.split("a<t>", "~")) == ["a<t>"]


@pytest.mark.parametrize("name", ["messages", "tools", "enable_thinking"])
def test_a_control_token_spelled_as_a_variable(name: str) -> None:
    """The names of variables are the template's, and nobody's text."""
    tokenizer = Tokenizer.from_gguf(byte_level(control=(name, "</s>"), eos="</s>"))
    source = "{% for m in messages %}{{ m.content }}{% endfor %}{{ enable_thinking }}"
    template = ChatTemplate(source, tokenizer)
    tokens = template.encode([{"role": "user", "content": f"a {name}"}], enable_thinking=1)
    assert tokenizer.decode(tokens) == f"a {name}1"
