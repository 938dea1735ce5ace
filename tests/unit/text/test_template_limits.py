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
    "{{ 'x\n' | indent('y' * 8000000) }}",
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
    "{{ '{:>1000000000}'.format_map({}) }}",
    "{{ strftime_now('%1000000000d') }}",
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
    with pytest.raises(TemplateError, match=r"it took more than 0\.3 s to render$"):
        render(source)
    # Compiling a long template is not part of it.
    assert time.thread_time() - begin < SECONDS + 5


@pytest.mark.parametrize("source", TOO_LARGE)
def test_size_is_limited(source: str) -> None:
    template = ChatTemplate(source, TOKENIZER, seconds=60)
    begin = time.thread_time()
    with pytest.raises(TemplateError) as caught:
        template.render(MESSAGES)
    assert re.search(
        r"too large|levels deep|writes more|indents by|long separator|precision|numbers only|width",
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
        with pytest.raises(TemplateError, match="RecursionError"):
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
