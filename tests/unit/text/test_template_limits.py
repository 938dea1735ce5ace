"""Templates that want to hang, to fill the memory, or to reach Python."""

from __future__ import annotations

import re
import sys
import time

import pytest
from pestle.errors import TemplateError
from pestle.template import ChatTemplate

from tests.unit.text.templates import TOKENIZER

MESSAGES = [{"role": "user", "content": "Hi", "parts": [["a", "b"], ["c"]]}]
SECONDS = 0.3

GROWING = (
    "{% set ns = namespace(x='a') %}{% for n in range(200) %}{% set ns.x = STEP %}{% endfor %}"
)

TOO_LONG = [
    "{% for a in range(99999) %}{% for b in range(99999) %}{% set x = 1 %}{% endfor %}{% endfor %}",
    "{% for a in range(99999) if range(99999) | list == range(99999) | list %}{% endfor %}",
    "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    "{{ range(99999) | select('in', range(99999) | list) | list | length }}",
    "{{ range(99999) | map('string') | select('in', 'b' * 8000000) | list | length }}",
    "{% set x = range(90000) | list %}{% set y = range(90000) | list %}"
    + "{% if x == y %}{% endif %}" * 5000,
    GROWING.replace("'a'", "[]").replace("200", "99999").replace("STEP", "ns.x + [n]"),
]
TOO_LARGE = [
    "{{ 'a' * 10 ** 10 }}",
    "{{ [0] * 2000000000 }}",
    "{{ 10 ** (10 ** 9) }}",
    "{{ (1, 2) * 10 ** 9 }}",
    GROWING.replace("STEP", "ns.x + ns.x"),
    GROWING.replace("STEP", "ns.x ~ ns.x"),
    GROWING.replace("STEP", "[ns.x, ns.x]"),
    GROWING.replace("STEP", "(ns.x, ns.x)"),
    GROWING.replace("STEP", "{'a': ns.x, 'b': ns.x}"),
    GROWING.replace("STEP", "dict(a=ns.x, b=ns.x)"),
    GROWING.replace("STEP", "'ab' | map(attribute='z', default=ns.x) | list"),
    GROWING.replace("STEP", "[ns.x]"),
    GROWING.replace("'a'", "3").replace("STEP", "ns.x * ns.x"),
    GROWING.replace("{% set ns.x = STEP %}", "{% set ns.x %}{{ ns.x }}{{ ns.x }}{% endset %}"),
    "{% macro f() %}{{ f(varargs, varargs) }}{% endmacro %}{{ f('a') }}",
    "{{ ('a' * 100000).replace('a', 'b' * 100000) }}",
    "{{ ('a' * 100000) | replace('a', 'b' * 100000) }}",
    "{{ ('y' * 90000).join('a' * 90000) }}",
    "{{ ('a' * 90000) | join('y' * 90000) }}",
    "{{ ('a\n' * 99999) | indent(1000000000) }}",
    "{{ 'x\n' | indent('y' * 40000000) }}",
    "{{ ('a' * 8000000).split('a') | length }}",
    "{{ range(99999) | map('replace', '1', 'b' * 1000000) | list | length }}",
    "{% for n in range(99999) %}{{ 'x' * 9000 }}{% endfor %}",
    "{% for n in range(99999) %}" + "y" * 9000 + "{% endfor %}",
    "{% macro f() %}LINE{% endmacro %}{% for n in range(99999) %}{{ f() }}{% endfor %}".replace(
        "LINE", "y" * 9000
    ),
    "{{ [1] | tojson(indent=1000000000) }}",
    "{{ messages | tojson(separators=('x' * 100000, 'y')) }}",
    "{{ 1.5 | round(1000000000) }}",
    "{{ [[1]] | sum(start=[]) }}",
    "{{ '%1000000000d' % 1 }}",
    "{{ '%*d' % (1000000000, 1) }}",
    "{{ '%1000000000d' | format(1) }}",
    "{{ '{:>1000000000}'.format(1) }}",
    "{{ '{:{}}'.format(1, 1000000000) }}",
    "{{ '{a:>1000000000}'.format_map({'a': 1}) }}",
    "{{ strftime_now('%999Y' * 1600000) }}",
    "{{ ('%(a)s' * 1000) % {'a': 'a' * 8000000} }}",
    "{{ ('{a}' * 1000).format(a='a' * 8000000) }}",
    "{{ ('%s' * 1000) | format(*(['a' * 8000] * 1000)) }}",
    "{{ ('{0:999}' * 1100000).format(1) }}",
]
FORBIDDEN = [
    *("{{ 'x'.center(9) }}", "{{ 'x'.ljust(9) }}", "{{ 'x'.zfill(9) }}", "{{ 'x'.expandtabs(9) }}"),
    *("{{ 'x'.encode() }}", "{{ 'x'.translate({}) }}", "{{ (1).to_bytes(9, 'big') }}"),
    *("{{ ''.__class__.__mro__ }}", "{{ messages.append(1) }}", "{{ messages[0].pop('role') }}"),
    *("{{ messages[0].update({}) }}", "{{ dict.fromkeys('ab', 1) }}", "{{ lipsum(5) }}"),
    *("{{ self.__init__.__globals__.x }}", "{{ raise_exception.__globals__.x }}"),
    *("{{ ''.format.__self__.x }}", "{{ ''['__class__'].x }}", "{{ messages.__len__() }}"),
    *("{{ namespace.__init__.__globals__.x }}", "{% extends 'x' %}", "{% import 'x' as x %}"),
]


def render(source: str) -> str:
    return ChatTemplate(source, TOKENIZER, seconds=SECONDS).render(MESSAGES)


@pytest.mark.parametrize("source", TOO_LONG)
def test_time_is_limited(source: str) -> None:
    begin = time.thread_time()
    with pytest.raises(
        TemplateError, match=r"template may take 0\.3 s of processor time, not more$"
    ):
        render(source)
    assert time.thread_time() - begin < SECONDS + 1


@pytest.mark.parametrize("source", TOO_LARGE)
def test_size_is_limited(source: str) -> None:
    template = ChatTemplate(source, TOKENIZER, seconds=60)
    begin = time.thread_time()
    with pytest.raises(TemplateError) as caught:
        template.render(MESSAGES)
    assert re.search(
        r"may make values of 25\d MB, not more|characters and \d+,\d+ items, written out|"
        r"levels deep|"
        r"may have 1,04\d,\d+, not more|indents by|separator of more|precision|numbers only|width|"
        r"more than 4,096 bits|takes at most 1,000",
        str(caught.value),
    )
    assert time.thread_time() - begin < 10


@pytest.mark.parametrize("source", FORBIDDEN)
def test_python_is_out_of_reach(source: str) -> None:
    with pytest.raises(TemplateError, match=r"unsafe|undefined|no attribute|no loader"):
        render(source)


def test_formats_see_no_attributes_of_python() -> None:
    assert render("{{ '{0.__class__}{0.role}'.format(messages[0]) }}") == "user"


def test_endless_recursion_ends() -> None:
    limit = sys.getrecursionlimit()
    for source in (
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% for x in [1, [2]] recursive %}{{ loop([1, [2]]) }}{% endfor %}",
    ):
        with pytest.raises(TemplateError, match="calls are more than 100 levels deep"):
            render(source)
    assert sys.getrecursionlimit() == limit


def test_messages_may_be_long_and_many() -> None:
    """The limits are for what templates make, not for what they are given."""
    messages = [{"role": "user", "content": "word " * 2000}] * 500
    source = (
        "{% macro show(all, m) %}{{ m.role }}: {{ m.content | trim }}\n{% endmacro %}"
        "{% set ns = namespace(seen=[]) %}{% for m in messages %}"
        "{% set ns.seen = ns.seen + [m] %}{{ show(messages, m) }}{% endfor %}"
    )
    template = ChatTemplate(source, TOKENIZER, seconds=60)
    assert len(template.render(messages)) == 500 * len("user: " + "word " * 2000)


def test_values_hold_the_callers_objects() -> None:
    assert render("{% set x = [messages, messages] %}{{ x[1][0].parts }}") == "[['a', 'b'], ['c']]"


def test_a_chat_has_one_budget_for_compiling_probing_and_rendering() -> None:
    slow = "{% for a in range(99999) %}{% for b in range(9) %}{% endfor %}{% endfor %}"
    call = {"type": "function", "function": {"name": "f", "arguments": {}}}
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "tool_calls": [call]}]
    tools = [{"type": "function", "function": {"name": "f"}}]
    template = ChatTemplate("{{ tools }}{{ messages }}" + slow, TOKENIZER, seconds=SECONDS)
    begin = time.thread_time()
    assert template.variables == {"tools", "messages"}
    with pytest.raises(TemplateError):
        template.encode(messages, tools=tools)  # type: ignore[arg-type]
    assert time.thread_time() - begin < SECONDS + 0.3


def test_compiling_is_on_the_budget() -> None:
    blocks = "".join(f"{{% block b{n} %}}{{% endblock %}}" for n in range(8000))
    begin = time.thread_time()
    template = ChatTemplate(blocks, TOKENIZER)
    assert template.variables == frozenset()
    with pytest.raises(
        TemplateError, match=r"more than 1,000,000 characters of Python|MB|of processor"
    ):
        template.render(MESSAGES)
    assert time.thread_time() - begin < 5.5


def test_what_users_write_may_be_large() -> None:
    """Ten million characters of a message are the caller's own; the budget grows with them."""
    text = "word and \u00e9 </think> more\n" * 400_000
    messages = [{"role": "user", "content": text}]
    source = (
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content | trim }}"
        "{{ m.content.split('</think>')[-1].strip('\n') ~ '<|im_end|>' }}{% endfor %}"
    )
    rendered = ChatTemplate(source, TOKENIZER, seconds=60).render(messages)
    assert rendered == "<|im_start|>user\n" + text.strip() + " more<|im_end|>"


def test_deep_messages_and_tools_are_refused_as_such() -> None:
    deep: list[object] = []
    for _ in range(3000):
        deep = [deep]
    template = ChatTemplate("{{ messages }}{{ tools | tojson }}", TOKENIZER)
    for given in ({"messages": [{"role": "user", "content": deep}]},
                  {"messages": MESSAGES, "tools": [{"parameters": deep}]},
                  {"messages": MESSAGES, "extra": deep}):  # fmt: skip
        for way in (template.render, template.encode):
            with pytest.raises(TemplateError, match="may be 100 levels deep, not more"):
                way(**given)


def test_arguments_that_are_deeply_nested_stay_text() -> None:
    source = (
        "{% for m in messages %}{% for c in m.tool_calls %}{{ c.function | tojson }}{% endfor %}"
        "{% endfor %}"
    )
    call = {"function": {"name": "f", "arguments": "[" * 100_000}}
    messages = [*MESSAGES, {"role": "assistant", "tool_calls": [call]}]
    assert ChatTemplate(source, TOKENIZER).encode(messages)  # type: ignore[arg-type]


def test_messages_of_errors_are_short() -> None:
    with pytest.raises(TemplateError) as caught:
        render("{{ raise_exception('a' * 8000000) }}")
    assert len(str(caught.value)) < 2100
