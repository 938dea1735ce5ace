"""Programs in Jinja, made by a grammar: right ones that do odd things, and wrong ones."""

from __future__ import annotations

from random import Random

_NAMES = ("messages", "tools", "message", "m", "loop", "ns", "x", "bos_token", "eos_token", "f",
          "undefined",
          "add_generation_prompt", "self", "caller", "varargs", "kwargs", "range", "namespace",
          "dict")  # fmt: skip
_FIELDS = ("role", "content", "tool_calls", "function", "name", "arguments", "index0", "first",
           "last",
           "n", "previtem", "cycle", "items", "keys", "values", "get", "__class__", "__init__",
           "mro")  # fmt: skip
_FILTERS = (
    "abs", "attr('role')", "batch(3)", "capitalize", "center(9)", "count", "default('x')",
    "dictsort",
    "e", "escape", "filesizeformat", "first", "float", "format('a', 2)", "forceescape",
    "groupby('role')",
    "indent(2)", "int", "items", "items | list", "join(',')", "join", "last", "length", "list",
    "lower",
    "map('upper') | list", "map(attribute='role') | list", "max", "min", "pprint", "random",
    "rejectattr('content') | list", "replace('a', 'bbbb')", "reverse", "round(2)", "safe",
    "selectattr('role', 'equalto', 'user') | list", "slice(2) | list", "sort", "string",
    "striptags",
    "sum", "title", "tojson", "tojson(indent=2)", "trim", "truncate(5)", "unique | list", "upper",
    "urlencode", "urlize", "wordcount", "wordwrap(3)", "xmlattr", "center(10 ** 9)",
    "indent(10 ** 9)",
)  # fmt: skip
_TESTS = ("defined", "undefined", "none", "string", "mapping", "iterable", "number", "sequence",
          "odd",
          "divisibleby(0)", "in messages", "equalto(1)", "sameas(none)", "callable", "true",
          "integer")  # fmt: skip
_METHODS = (
    ".split(',')", ".split('</think>')[-1]", ".strip()", ".upper()", ".replace('a', 'aa')",
    ".format(1)",
    ".join(['a', 'b'])", ".startswith('<')", ".items()", ".get('role')", ".keys() | list", "[0]",
    "[-1]",
    "[::-1]", "[1:]", "['role']", ".encode()", ".append(1)", ".pop()", ".format_map(m)",
    ".zfill(9)",
    ".ljust(10 ** 8)", ".center(50)", ".splitlines()", ".isdigit()", ".translate({97: 'b'})",
    ".expandtabs(9999)", ".rsplit(None, 1)", ".partition(':')", ".count('a')", ".index('a')",
)  # fmt: skip
_LITERALS = (
    "0", "1", "-1", "2 ** 64", "1e308", "10 ** 9", "'a'", "''", "'%s %d'", "'{0:999}'", "'{}'",
    "[]", "[1, 2]",
    "{}", "{'a': 1}", "none", "true", "(1, 2)", "'a' * 1000", "'\\n'", "\"\\u00e9\"", "range(10)",
    "range(10 ** 9)", "'%(a)s' % {'a': 1}", "'%999999d' % 1", "[0] * 100000", "strftime_now('%Y')",
    "strftime_now('%999Y')", "strftime_now", "raise_exception", "lipsum()", "cycler(1, 2)",
    "joiner()",
)  # fmt: skip
_OPERATORS = (
    "+",
    "-",
    "*",
    "/",
    "//",
    "%",
    "**",
    "~",
    "==",
    "<",
    "in",
    "and",
    "or",
    "not in",
    "!=",
)
WORDS = (
    "{{", "}}", "{%", "%}", "{#", "#}", "{%-", "-%}", "{% if x %}", "{% endif %}",
    "{% for m in messages %}",
    "{% endfor %}", "{% else %}", "{% generation %}", "{% endgeneration %}", "{% set x = x ~ x %}",
    "{% break %}", "{% continue %}", "{% macro f(x) %}", "{% endmacro %}", "|", "tojson", "'",
    '"', "(", ")",
    "[", "]", "messages", "loop.index0", "none", "namespace(n=0)", "{% raw %}", "{% endraw %}",
    "{% include 'a' %}", "{% import 'a' as b %}", "{% extends 'a' %}", "{% block b %}",
    "{% do x %}",
    *_LITERALS, *_METHODS,
)  # fmt: skip


def expression(rng: Random, depth: int = 3) -> str:
    """An expression."""
    kind = rng.randrange(12) if depth else rng.randrange(4)
    if kind < 2:
        return rng.choice(_LITERALS)
    if kind < 4:
        return rng.choice(_NAMES)
    inner = expression(rng, depth - 1)
    if kind < 6:
        return f"{inner} {rng.choice(_OPERATORS)} {expression(rng, depth - 1)}"
    if kind < 8:
        return f"({inner}) | {rng.choice(_FILTERS)}"
    if kind < 9:
        return f"({inner}){rng.choice(_METHODS)}"
    if kind < 10:
        return f"({inner}).{rng.choice(_FIELDS)}"
    if kind < 11:
        return f"({inner}) is {rng.choice(_TESTS)}"
    other = expression(rng, depth - 1)
    return rng.choice(
        [f"({inner})({other})", f"[{inner}, {other}]", f"({inner} if {other} else 0)"]
    )


def statements(rng: Random, depth: int) -> str:
    """Some statements."""
    return "".join(_statement(rng, depth) for _ in range(rng.choice([1, 1, 2, 3])))


def _statement(rng: Random, depth: int) -> str:
    kind = rng.randrange(14) if depth else rng.randrange(5)
    inner = expression(rng, rng.choice([0, 1, 1, 2, 3]))
    if kind < 3:
        return "{{ " + inner + " }}"
    if kind < 4:
        return rng.choice(["text", "<|im_start|>", "\n ", "{# note #}", "</think>"])
    if kind < 5:
        name = rng.choice(["x", "x", "ns.n", "m", "x, m"])
        return "{% set " + name + " = " + inner + " %}"
    body = statements(rng, depth - 1)
    if kind < 7:
        return (
            "{% if "
            + inner
            + " %}"
            + body
            + "{% else %}"
            + statements(rng, depth - 1)
            + "{% endif %}"
        )
    if kind < 10:
        over = rng.choice(["messages", "messages", "tools", "range(20)", "range(300)", "x", inner])
        recursive = rng.choice(["", "", "", " recursive", " if loop"])
        return "{% for m in " + over + recursive + " %}" + body + "{% endfor %}"
    if kind < 11:
        return "{% macro f(x, y=1) %}" + body + "{% endmacro %}{{ f(" + inner + ") }}"
    if kind < 12:
        return "{% set x %}" + body + "{% endset %}"
    if kind < 13:
        filters = rng.choice(["upper", "trim", "indent(4)", "replace('a', 'aa')", "tojson"])
        return "{% filter " + filters + " %}" + body + "{% endfilter %}"
    return rng.choice(
        [
            "{% call f(1) %}" + body + "{% endcall %}",
            "{% block b %}" + body + "{% endblock %}{{ self.b() }}",
            "{% with x = " + inner + " %}" + body + "{% endwith %}",
            "{% generation %}" + body + "{% endgeneration %}",
            "{% autoescape true %}" + body + "{% endautoescape %}",
        ]
    )


def program(rng: Random) -> str:
    """A template."""
    start = rng.choice(["", "{% set ns = namespace(n=0, s='') %}", "{% set x = 'a' %}"])
    return start + statements(rng, rng.choice([1, 2, 3]))
