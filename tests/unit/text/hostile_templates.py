"""Hostile chat templates, by systematic combination: every operation on every large value.

Run as a program, it renders all of them (or those numbered on the command line) and writes a line
of JSON for each: what came of it, its seconds of processor time, by how many MB the memory grew.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

from pestle.template.costs import FILTERS, FUNCTIONS, METHODS, OPERATORS, TESTS

# Values as large as they may be, or as treacherous.
STRINGS = {
    "long": "('a' * 8000000)",
    "lines": "('a\\n ' * 2000000)",
    "wide": "('\u00df\U0001f600' * 900000)",
    "control": "('\\u0001' * 3000000)",
}
LISTS = {
    "numbers": "(range(99999) | list)",
    "copies": "(['a' * 80000] * 99)",
    "pairs": "([['ab', 'b'], ['b', 'c']] * 40000)",
    "shared": "ns.twice",
}
DICTS = {"dict": "dict([['a', 'b' * 4000000], ['c', [1] * 90000]])", "view": "ns.dict.items()"}
VALUES = {
    **STRINGS,
    **LISTS,
    **DICTS,
    "lazy": "(range(99999) | map('string'))",
    "number": "(9**1000)",
}
# What is made of an expression: once, again and again, and kept.
FRAMES = {
    "once": "{% set y = EXPR %}{{ y }}",
    "again": "{% for n in range(99999) %}{% if EXPR %}{% endif %}{% endfor %}",
    "kept": (
        "{% for n in range(99999) %}{% set ns.kept = namespace(a=EXPR, b=ns.kept) %}{% endfor %}"
    ),
}
BEFORE = (
    "{% set ns = namespace(twice=['a'], kept=0, dict=dict(a=[1] * 20000)) %}"
    "{% for n in range(12) %}{% set ns.twice = [ns.twice, ns.twice] %}{% endfor %}"
)
GROWING = (
    "{% set ns = namespace(x=FIRST) %}{% for n in range(9999) %}{% set ns.x = STEP %}{% endfor %}"
    "{{ ns.x }}"
)
METHOD_ARGUMENTS = ("", "'a'", "X", "'a', X", "[X, X]", "'', X", "'b' ~ X")
FILTER_ARGUMENTS = (
    "",
    "'a'",
    "X",
    "'a', X",
    "attribute='a'",
    "'upper'",
    "'in', X",
    "'replace', 'a', X",
)


def methods() -> Iterator[str]:
    """Every method of every kind of value, on every large value, with every kind of arguments."""
    for kind, names in ((str, STRINGS), (list, LISTS), (dict, {"d": "ns.dict"})):
        for method, value, given in itertools.product(
            METHODS[kind], names.values(), METHOD_ARGUMENTS
        ):
            yield f"{value}.{method}({given.replace('X', value)})"


def filters() -> Iterator[str]:
    """Every filter on every large value."""
    for name, value, given in itertools.product(FILTERS, VALUES.values(), FILTER_ARGUMENTS):
        call = f"({given.replace('X', value)})" if given else ""
        yield f"({value} | {name}{call})"
        yield f"({value} | {name}{call} | list | length)"


def tests() -> Iterator[str]:
    """Every test on two large values."""
    for name, value, other in itertools.product(TESTS, VALUES.values(), VALUES.values()):
        if name.isalpha():
            yield f"({value} is {name}({other}))"
            yield f"([{value}] * 9 | select('{name}', {other}) | list)"


def operators() -> Iterator[str]:
    """Every operator on two large values."""
    for name in (*OPERATORS, "~", "==", "<", "in", "not in", "and", "or"):
        for value, other in itertools.product(VALUES.values(), repeat=2):
            yield f"({value} {name} {other})"
        for value, number in itertools.product(VALUES.values(), ("99999999", "(9**1000)", "-1")):
            yield f"({value} {name} {number})"
    for value, bounds in itertools.product(VALUES.values(), ("::-1", "1:", ":-1", "::2")):
        yield f"{value}[{bounds}]"
        yield f"{value}[{bounds}] * 999"


def functions() -> Iterator[str]:
    """Every function with large arguments, spread out too."""
    for name, value in itertools.product(FUNCTIONS, VALUES.values()):
        for given in (value, f"*{value}", f"a={value}", f"**dict(b={value})", f"{value}, {value}"):
            yield f"{name}({given})"
    for value in VALUES.values():
        yield f"loop.cycle(*{value})"
        yield f"f(*{value})"
        yield f"{{{value}: {value}}}"
        yield f"ns.dict[{value}]"


def formats() -> Iterator[str]:
    """Texts that ask for width, precision, or an argument many times."""
    fields = ("%(a)s", "%(a)r", "%(a)a", "%(b)999d", "%(c).999f", "%(b)*d", "%(b)99999d", "%(b)c")
    for field, n in itertools.product(fields, (1, 1000, 1000000)):
        values = "{'a': 'a\\u0001\\U0001f600' * 800000, 'b': 9, 'c': 1e308}"
        yield f"(('{field}' * {n}) % {values})"
        yield f"(('{field}' * {n}) | format(**{values}))"
    braces = ("{a}", "{a!r}", "{a!a}", "{b:999}", "{b:99999}", "{c:.999f}", "{b:{b}}", "{a:{a}}",
              "{a[0]}", "{a.b}")  # fmt: skip
    for field, n in itertools.product(braces, (1, 1000, 1000000)):
        values = "a='a\\u0001\\U0001f600' * 800000, b=9, c=1e308"
        yield f"(('{field}' * {n}).format({values}))"
        yield f"(('{field}' * {n}).format_map(dict({values})))"
    for directive in ("%999Y", "%c", "%", "%%", "%9999999d", "%-d", "a"):
        for n in (1, 999, 1600000):
            yield f"strftime_now('{directive}' * {n})"


def control() -> Iterator[str]:
    """Whole templates: loops, macros, blocks, calls, sets and filters within each other."""
    loop = "{% for a in range(99999) %}"
    for body in ("", "{{ a }}", "{% set x = a %}", "y" * 900, "{{ loop.index }}{{ loop.length }}",
                 "{{ loop.previtem }}", "{{ loop.changed(a) }}", "{% continue %}"):  # fmt: skip
        for depth in (1, 2, 5, 9):
            yield loop * depth + body + "{% endfor %}" * depth
            yield loop.replace(" %}", " if 0 %}") * depth + body + "{% endfor %}" * depth
    for n in (1, 2, 9):
        call = "{{ f(n - 1) }}" * n
        yield "{% macro f(n) %}{% if n %}" + call + "{% endif %}{% endmacro %}{{ f(90) }}"
        yield "{% macro f(n) %}" + call + "{% endmacro %}{{ f(1) }}"
        yield (
            "{% macro f() %}"
            + "{{ caller() }}" * 9
            + "{% endmacro %}"
            + ("{% call f() %}" * n * 5 + "yyyy" * 900 + "{% endcall %}" * n * 5)
        )
        yield "{% for x in [1, 2] recursive %}" + "{{ loop([1, 2]) }}" * n + "{% endfor %}"
        yield "{% block a %}" + "{{ self.a() }}" * n + "{% endblock %}"
        yield (
            "{% block a %}y{% endblock %}{% for x in range(99999) %}"
            + "{{ self.a() }}" * n
            + ("{% endfor %}")
        )
        for name in ("upper", "title", "escape", "replace('a', 'aa')", "tojson", "indent(9, true)"):
            begin = "{% filter " + name + " %}"
            yield begin * n * 9 + "a\u00df&\n" * 20000 + "{% endfilter %}" * n * 9
    for step in ("ns.x + ns.x", "ns.x ~ ns.x", "[ns.x, ns.x]", "(ns.x, ns.x)", "{1: ns.x, 2: ns.x}",
                 "dict(a=ns.x, b=ns.x)", "[ns.x]", "ns.x * 9", "ns.x | tojson",
                 "[ns.x, ns.x] | string", "[ns.x, ns.x] | join", "namespace(a=ns.x, b=ns.x)",
                 "ns.x.replace('', 'ab')",
                 "ns.x | escape | string", "ns.x.upper() + ns.x"):  # fmt: skip
        for first in ("'a'", "'\u00df<'", "[]", "3"):
            yield GROWING.replace("FIRST", first).replace("STEP", step)
    yield "{% set ns.x %}" * 99 + "a" + "{{ ns.x }}{% endset %}" * 99


def sources() -> Iterator[str]:
    """Whole templates that are hard to compile."""
    for piece in ("{% block bN %}{% endblock %}", "{% macro mN() %}{% endmacro %}", "{{ aN }}",
                  "{% if aN %}{% endif %}", "{% set aN = 1 %}", "{% for aN in bN %}{% endfor %}",
                  "{% include aN %}", "{% import aN as bN %}", "{{ a | upper }}", "{{ a is odd }}",
                  "{% set aN = 1 %}{% if aN %}{% include aN %}{% endif %}", "{# aN #}", "a\n",
                  "{% with aN = 1 %}{% endwith %}", "{{ aN(b=1) }}", "{% set a, b = aN %}",
                  "{{ f(**aN) }}", "{% call f() %}{% endcall %}", "{{ a[N:] }}", "{{ 'aN' }}",
                  "{% raw %}{{{% endraw %}", "{% filter upper %}a{% endfilter %}"):  # fmt: skip
        for size in (40_000, 260_000):
            n = size // len(piece) // 2
            yield "".join(piece.replace("N", str(i)) for i in range(n))
    nested = (("(", "1", ")"), ("[", "1", "]"), ("{1:", "1", "}"), ("not ", "1", ""),
              ("-", "1", ""), ("a.", "a", ""), ("", "1", "+1"), ("", "1", "[1]"),
              ("a if ", "1", " else 1"), ("", "a", "|upper"), ("", "a", "()"), ("", "a", " and a"),
              ("", "1", "~1"), ("", "1", "<1"), ("'", "a", ""))  # fmt: skip
    for begin, middle, end in nested:
        for n in (150, 1000, 40_000):
            yield "{{ " + begin * n + middle + end * n + " }}"
    for tag in ("if a", "for a in b", "block bN", "macro aN()", "call f()", "set a", "with",
                "filter upper", "generation", "autoescape true", "raw",
                "for a in b recursive"):  # fmt: skip
        for n in (90, 5000):
            end = "{% end" + tag.split()[0] + " %}"
            yield "".join("{% " + tag.replace("N", str(i)) + " %}" for i in range(n)) + end * n
    yield "{{ 0x" + "f" * 250_000 + " }}"
    yield "{{ 1" + "0" * 250_000 + " }}"
    yield "\n" * 250_000 + "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}"
    yield "{{" * 120_000
    yield "{% for x in " + ",".join("a" * 9 for _ in range(20_000)) + " %}{% endfor %}"


def all_templates() -> list[str]:
    """Some 600 of them: of the families with thousands of members, a sample that never changes."""
    random = Random(13)
    chosen = [*control(), *sources()]
    for family, n in ((methods, 90), (filters, 90), (tests, 40), (operators, 70), (functions, 30),
                      (formats, 50)):  # fmt: skip
        for expression in random.sample([*family()], n):
            frame = random.choice([*FRAMES.values()])
            chosen.append(
                BEFORE
                + "{% macro f() %}{{ varargs }}{% endmacro %}"
                + frame.replace("EXPR", expression)
            )
    return chosen


def _memory(key: str) -> int:
    """`VmRSS` or `VmHWM` of this process in bytes, 0 where the system does not say."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return 0
    return int(status.partition(f"{key}:")[2].split()[0]) << 10


def _render_all(seconds: float, numbers: list[int]) -> None:
    from pestle.errors import TemplateError
    from pestle.template import ChatTemplate

    from tests.unit.text.templates import TOKENIZER

    messages = [{"role": "user", "content": "Hi", "parts": [["a", "b"], ["c"]]}]
    for n, source in enumerate(all_templates()):
        if numbers and n not in numbers:
            continue
        if Path("/proc/self/clear_refs").exists():
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
        before, begin = _memory("VmRSS"), time.thread_time()
        try:
            text = ChatTemplate(source, TOKENIZER, seconds=seconds).render(messages)
            said = f"{len(text)} characters"
        except TemplateError as error:
            said = f"TemplateError: {error}"
        took, grown = time.thread_time() - begin, _memory("VmHWM") - before
        line = {"n": n, "said": said[:200], "seconds": took, "mb": grown >> 20}
        sys.stdout.write(f"{json.dumps(line)}\n")


if __name__ == "__main__":
    _render_all(float(sys.argv[1]), [int(n) for n in sys.argv[2:]])
