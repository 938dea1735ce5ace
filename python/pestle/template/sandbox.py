"""The Jinja environment that chat templates are written for, made safe for hostile ones."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from types import BuiltinMethodType
from typing import Any, NoReturn

from jinja2 import meta, nodes, pass_context
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

from pestle.template.filters import (
    CONCAT,
    MADE,
    METERED_FILTERS,
    METERED_TESTS,
    STEP,
    check_format,
    check_join,
    check_replace,
)
from pestle.template.meter import INT_BITS, Meter, meter

_METHODS: dict[type, frozenset[str]] = {
    str: frozenset(
        (
            *("capitalize", "casefold", "count", "endswith", "find", "format", "index", "isalnum"),
            *("isalpha", "isascii", "isdecimal", "isdigit", "islower", "isnumeric", "isspace"),
            *("istitle", "isupper", "join", "lower", "lstrip", "partition", "removeprefix"),
            *("removesuffix", "replace", "rfind", "rindex", "rpartition", "rsplit", "rstrip"),
            *("split", "splitlines", "startswith", "strip", "swapcase", "title", "upper"),
        )
    ),
    dict: frozenset(("copy", "get", "items", "keys", "values")),
    list: frozenset(("copy", "count", "index")),
    tuple: frozenset(("count", "index")),
}


class TemplateSandbox(ImmutableSandboxedEnvironment):
    """Jinja as Hugging Face sets it up for chat templates, with everything on the meter.

    Templates compile to the code that Jinja makes of them, with a step of the meter in every loop
    and macro and around every expression that makes a value. Nothing is evaluated when compiling.
    """

    intercepted_binops = frozenset(("+", "-", "*", "/", "//", "%", "**"))

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[loopcontrols, _GenerationTag],
            finalize=_finalize,
            optimized=False,
        )
        self.filters = dict(METERED_FILTERS)
        self.tests = dict(METERED_TESTS)
        self.globals = {
            "range": self.globals["range"],  # of at most 100,000 items
            "dict": dict,
            "namespace": _Namespace,
            "raise_exception": _raise_exception,
            "strftime_now": lambda text: now().strftime(check_format(str(text))),
        }

    def undeclared(self, source: str) -> set[str]:
        """The names that a template looks up outside; none if it is no valid Jinja."""
        try:
            return meta.find_undeclared_variables(self.parse(source))
        # Nesting too deep for the parser has errors of its own, as when a template is compiled.
        except Exception:
            return set()

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Whether a template may use this attribute: no methods but those known to be harmless."""
        if isinstance(obj, type) or not super().is_safe_attribute(obj, attr, value):
            return False
        for kind, allowed in _METHODS.items():
            if isinstance(obj, kind):
                return attr in allowed
        return not isinstance(value, BuiltinMethodType)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Jinja's safe form of a string's `format`, None for anything else."""
        wrapped = super().wrap_str_format(value)
        if wrapped is not None:
            check_format(value.__self__)
        return wrapped

    def call(self, context: Context, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a function, macro or method for a template."""
        account = meter()
        for arg in (*args, *kwargs.values()):
            account.check(arg)
        if isinstance(function, BuiltinMethodType) and isinstance(function.__self__, str):
            if function.__name__ == "replace":
                check_replace(function.__self__, *map(str, args[:2]))
            elif function.__name__ == "join":
                args = (check_join(function.__self__, args[0]),)
        return account.spend(super().call(context, function, *args, **kwargs))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Apply an operator, after a look at what could come of it."""
        if operator == "*":
            for factor, count in ((left, right), (right, left)):
                if isinstance(factor, (str, list, tuple)) and isinstance(count, int):
                    meter().spend_chars(max(len(factor) * count, 0))
        elif operator == "%" and isinstance(left, str):
            check_format(left)
        elif (
            operator == "**"
            and isinstance(left, int)
            and isinstance(right, int)
            and left.bit_length() * max(right, 0) > INT_BITS
        ):
            raise SecurityError("a number grew too large")
        return meter().spend(super().call_binop(context, operator, left, right))

    def _generate(self, source: nodes.Template, *args: Any, **kwargs: Any) -> str:
        """Jinja's hook between parsing a template and writing its code."""
        return super()._generate(_Metering().visit(source), *args, **kwargs)


class _Metering(NodeTransformer):
    """Puts the meter into a parsed template."""

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802
        self.generic_visit(node)
        node.body = [_step(node), *node.body]
        return node

    def visit_Macro(self, node: nodes.Macro) -> nodes.Macro:  # noqa: N802
        self.generic_visit(node)
        node.body = [_step(node), *node.body]
        return node

    def visit_CallBlock(self, node: nodes.CallBlock) -> nodes.CallBlock:  # noqa: N802
        self.generic_visit(node)
        node.body = [_step(node), *node.body]
        return node

    def visit_Block(self, node: nodes.Block) -> nodes.Block:  # noqa: N802
        self.generic_visit(node)
        node.body = [_step(node), *node.body]
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:  # noqa: N802
        self.generic_visit(node)
        return _filter(nodes.List(node.nodes, lineno=node.lineno), CONCAT)

    def visit_List(self, node: nodes.List) -> nodes.Expr:  # noqa: N802
        self.generic_visit(node)
        return _filter(node, MADE)

    def visit_Dict(self, node: nodes.Dict) -> nodes.Expr:  # noqa: N802
        self.generic_visit(node)
        return _filter(node, MADE)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Expr:  # noqa: N802
        self.generic_visit(node)
        return _filter(node, MADE) if node.ctx == "load" else node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Expr:  # noqa: N802
        self.generic_visit(node)
        return _filter(node, MADE)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Expr:  # noqa: N802
        self.generic_visit(node)
        return _filter(node, MADE) if isinstance(node.arg, nodes.Slice) else node


def _filter(node: nodes.Expr, name: str) -> nodes.Expr:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


def _step(node: nodes.Node) -> nodes.Stmt:
    chars = sum(len(data.data) for data in node.find_all(nodes.TemplateData))
    step = _filter(nodes.Const(chars, lineno=node.lineno), STEP)
    return nodes.ExprStmt(step, lineno=node.lineno)


@pass_context
def _finalize(_context: Context, value: Any) -> Any:
    """Account for what a template writes. That it wants the context keeps Jinja from folding."""
    return meter().spend(value if isinstance(value, str) else str(value))


class _Namespace(Namespace):
    """Jinja's namespace, with its values on the meter. Its own text does not contain them."""

    def __setitem__(self, name: str, value: Any) -> None:
        meter().check([value])
        super().__setitem__(name, value)

    def __repr__(self) -> str:
        return "<namespace>"


class _GenerationTag(Extension):
    """`{% generation %}` marks what an assistant wrote, for training; here it is transparent."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Parser) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class RaisedByTemplateError(TemplateError):
    """What `raise_exception` raises: the template refuses its input."""


def _raise_exception(message: object) -> NoReturn:
    raise RaisedByTemplateError(str(message))


__all__ = ["Meter", "RaisedByTemplateError", "TemplateSandbox"]
