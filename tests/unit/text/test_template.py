"""Chat templates: what they may use, and what is done with their errors."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from pestle.errors import Error, TemplateError
from pestle.template import ChatTemplate
from pestle.tokenizer import Tokenizer

from tests.unit.text.templates import DEFAULT_SYSTEM, SMOLLM2, TOKENIZER
from tests.unit.text.toy import byte_level, texts

HELLO = [{"role": "user", "content": "Hi"}]
TOOLS = [{"name": "f", "description": 'a <b> & "c" \u00e9'}]


def render(source: str, messages: list[dict[str, Any]] | None = None, **variables: Any) -> str:
    now = datetime(2026, 11, 24, 21, 5)
    template = ChatTemplate(source, TOKENIZER, now=lambda: now)
    return template.render(HELLO if messages is None else messages, **variables)


def test_smollm2_puts_its_own_system_message_first() -> None:
    expected = DEFAULT_SYSTEM + "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    assert render(SMOLLM2) == expected


def test_smollm2_with_a_system_message_and_history() -> None:
    messages = [
        {"role": "system", "content": "Be terse."},
        *HELLO,
        {"role": "assistant", "content": "Hello."},
    ]
    assert render(SMOLLM2, messages, add_generation_prompt=False) == (
        "<|im_start|>system\nBe terse.<|im_end|>\n"
        "<|im_start|>user\nHi<|im_end|>\n"
        "<|im_start|>assistant\nHello.<|im_end|>\n"
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{% if true %}\n  a\n{% endif %}\nb", "  a\nb"),  # trim_blocks
        ("a\n   {% if true %}b{% endif %}", "a\nb"),  # lstrip_blocks
        ("{% for n in range(9) %}{% if n == 3 %}{% break %}{% endif %}{{ n }}{% endfor %}", "012"),
        ("{% for n in 'abc' %}{% if n == 'b' %}{% continue %}{% endif %}{{ n }}{% endfor %}", "ac"),
        ("{{ '<b> & \\'c\\'' }}", "<b> & 'c'"),  # nothing is escaped
        ("{{ tools[0] | tojson }}", '{"name": "f", "description": "a <b> & \\"c\\" \u00e9"}'),
        ("{{ [1, {'b': 2, 'a': 1}] | tojson(sort_keys=true) }}", '[1, {"a": 1, "b": 2}]'),
        ("{{ {'a': [1]} | tojson(indent=2) }}", '{\n  "a": [\n    1\n  ]\n}'),
        ("{{ [1, 2] | tojson(separators=(',', ':')) }}", "[1,2]"),
        ("{{ '\u00e9' | tojson(ensure_ascii=true) }}", '"\\u00e9"'),
        ("{{ strftime_now('%d %B %Y') }}", "24 November 2026"),
        ("{{ bos_token }}|{{ eos_token }}", "<s>|<|im_end|>"),
        ("{{ documents is none }} {{ enable_thinking is defined }}", "True False"),
        ("{{ undefined_name }}{{ messages[0].nothing }}", ""),
        ("{% generation %}{{ messages[0].content }}{% endgeneration %}", "Hi"),
        ("{% set x = namespace(n=1) %}{% if 1 %}{% set x.n = x.n * 3 %}{% endif %}{{ x.n }}", "3"),
        ("{% set n = [namespace(a=1)] %}{{ n[0].a }}", "1"),
        ("{% macro f(x, y=2) %}{{ x ~ y }}{% endmacro %}{{ f(1) }}{{ f(1, y=3) }}", "1213"),
        ("{% macro f() %}({{ caller() }}){% endmacro %}{% call f() %}!{% endcall %}", "(!)"),
        ("{% set x %}a{{ 1 + 1 }}{% endset %}{{ x | upper }}{{ x ~ 1 ~ none }}", "A2a21None"),
        ("{{ messages[0].content.split('i')[0].strip() }}{{ messages[::-1] | length }}", "H1"),
        ("{{ messages | map(attribute='role') | join(', ') }}", "user"),
        ("{{ messages | selectattr('role', 'equalto', 'user') | list | length }}", "1"),
        ("{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}{{ v }}{% endfor %}", "a1b2"),
        ("{{ '{}-{:>4}'.format('x', 1) }} {{ '%s %5.1f' | format('y', 2) }}", "x-   1 y   2.0"),
        ("{{ 'a\nb' | indent(2) }}", "a\n  b"),
        ("{{ (1, 2) + (3,) }} {{ [3, 1] | sort | first }} {{ 2 ** 8 }}", "(1, 2, 3) 1 256"),
    ],
)  # fmt: skip
def test_what_templates_rely_on(source: str, expected: str) -> None:
    assert render(source, tools=TOOLS) == expected


def test_variables() -> None:
    assert render("{{ enable_thinking }} {{ documents }}", enable_thinking=False) == "False None"
    assert render("{{ documents }}", documents=["a"]) == "['a']"


def test_a_template_refuses_in_its_own_words() -> None:
    source = "{{ raise_exception('Roles must alternate!') }}"
    with pytest.raises(TemplateError, match=r"refused the messages: Roles must alternate!$"):
        render(source)
    assert issubclass(TemplateError, Error)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ messages[0].content + none }}", r"failed: TypeError: can only concatenate str"),
        ("{{ nothing.at.all }}", r"failed: 'nothing' is undefined"),
        ("{{ 1 // 0 }}", r"failed: ZeroDivisionError"),
        ("{% for %}", r"is not valid Jinja: line 1: "),
        ("a\n{{ 'x' | center(3) }}", r"is not valid Jinja: line 2: No filter named 'center'"),
        ("{% include 'x' %}", r"failed: TypeError: no loader"),
        ("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", r"cannot be used: it is nested too deeply"),
        ("x" * ((1 << 18) + 1), r"has 262,145 characters, at most 262,144"),
    ],
)
def test_a_faulty_template_says_what_is_wrong(source: str, message: str) -> None:
    with pytest.raises(TemplateError, match=f"^the chat template {message}"):
        render(source)


def test_files_name_their_templates() -> None:
    metadata = {
        "tokenizer.chat_template": "plain {{ tools }}",
        "tokenizer.chat_template.tool_use": "with {{ tools | length }}",
        "tokenizer.chat_template.rag": "rag",
        "tokenizer.chat_templates": ["tool_use", "rag"],
    }
    template = ChatTemplate.from_gguf(metadata, TOKENIZER)
    assert template is not None
    assert template.source == metadata["tokenizer.chat_template"]
    assert template.render(HELLO) == "plain None"
    assert template.render(HELLO, tools=TOOLS) == "with 1"
    assert template.render(HELLO, tools=[]) == "plain []"
    rag = ChatTemplate.from_gguf(metadata, TOKENIZER, name="rag")
    assert rag is not None
    assert rag.render(HELLO, tools=TOOLS) == "rag"
    with pytest.raises(TemplateError, match=r"no chat template `x`; others it has: tool_use, rag"):
        ChatTemplate.from_gguf(metadata, TOKENIZER, name="x")


def test_a_template_without_tools_names_those_that_know_them() -> None:
    metadata: dict[str, Any] = {
        "tokenizer.chat_template": "{{ messages[0].content }}",
        "tokenizer.chat_template.rag": "{{ tools | tojson }}{{ messages[0].content }}",
        "tokenizer.chat_template.agent": "{{ tools }}",
        "tokenizer.chat_template.short": "{{ messages[0].content }}",
        "tokenizer.chat_templates": ["rag", "agent", "short", "gone", "\x1b[2J", 7],
    }
    template = ChatTemplate.from_gguf(metadata, TOKENIZER)
    assert template is not None
    with pytest.raises(TemplateError) as raised:
        template.encode(HELLO, tools=TOOLS)
    assert str(raised.value) == (
        "the chat template does not tell the model of tools; another one of the file knows them: "
        "chat_template='rag' or chat_template='agent'"
    )
    with pytest.raises(TemplateError, match=r"no chat template `x`; others it has: rag, agent"):
        ChatTemplate.from_gguf(metadata, TOKENIZER, name="x")
    alone = {**metadata, "tokenizer.chat_templates": "rag"}
    template = ChatTemplate.from_gguf(alone, TOKENIZER)
    assert template is not None
    with pytest.raises(
        TemplateError, match=r"; chat_template=\.\.\. gives this model another one$"
    ):
        template.encode(HELLO, tools=TOOLS)


def test_a_file_may_have_no_template() -> None:
    assert ChatTemplate.from_gguf({}, TOKENIZER) is None
    with pytest.raises(TemplateError, match=r"tokenizer\.chat_template is 1, expected a string"):
        ChatTemplate.from_gguf({"tokenizer.chat_template": 1}, TOKENIZER)


def test_prompts_are_encoded_with_their_control_tokens() -> None:
    ids = ChatTemplate(SMOLLM2, TOKENIZER).encode(
        [{"role": "system", "content": "x"}], add_generation_prompt=False
    )
    assert texts(TOKENIZER, ids) == ["<|im_start|>", *"system\nx", "<|im_end|>", "\n"]


@pytest.mark.parametrize("add_bos", [True, False])
def test_bos_comes_once_from_the_template_or_the_file(add_bos: bool) -> None:
    metadata = byte_level(control=("<s>",), bos="<s>", add_bos_token=add_bos)
    tokenizer = Tokenizer.from_gguf(metadata)
    with_bos = ChatTemplate("{{ bos_token }}{{ messages[0].content }}", tokenizer)
    assert with_bos.encode(HELLO) == [tokenizer.bos_id, *b"Hi"]
    without = ChatTemplate("{{ messages[0].content }}", tokenizer)
    assert without.encode(HELLO) == [*([tokenizer.bos_id] if add_bos else []), *b"Hi"]


def test_without_bos_its_text_is_empty() -> None:
    template = ChatTemplate("{{ bos_token + eos_token }}|", Tokenizer.from_gguf(byte_level()))
    assert template.render(HELLO) == "|"
