"""The Jinja environment that chat templates are written for, made safe for hostile ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from types import BuiltinMethodType, CodeType, MethodType
from typing import Any, NoReturn

from jinja2 import Template, nodes, pass_context
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.idtracking import VAR_LOAD_RESOLVE
from jinja2.lexer import Token, TokenStream
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeVisitor
from markupsafe import Markup

from pestle.template.costs import FUNCTIONS, METHODS, OPERATORS
from pestle.template.filters import METERED_FILTERS, METERED_TESTS, joinable
from pestle.template.formatting import format_method
from pestle.template.meter import meter
from pestle.template.metering import Metering, check_shape
from pestle.template.sizes import written

_TOKEN = 300  # bytes
_CODE = 70  # bytes that Python's compiler takes for a character
_MOST_CODE = 1_000_000  # characters of the Python that a template becomes
_OF_JINJA = ("_loop_vars", "_block_vars")  # arguments that Jinja adds
_ESCAPES = 6  # what `Markup` makes of a character, at most


class TemplateSandbox(ImmutableSandboxedEnvironment):
    """Jinja as Hugging Face sets it up for chat templates, with everything on the meter.

    Templates compile to the code that Jinja makes of them, with a step of the meter in every loop
    and macro, and all operations made by functions that charge them first (`costs`). Nothing is
    evaluated when compiling, and that is on the meter too.

    Attributes:
        undeclared: the names that the template compiled last looks up outside.
    """

    intercepted_binops = frozenset(OPERATORS)

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[loopcontrols, _GenerationTag, _MeteredTokens],
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
            "strftime_now": lambda text: now().strftime(str(text)),
        }
        self._costs = {id(self.globals[name]): cost for name, cost in FUNCTIONS.items()}
        self.undeclared: frozenset[str] = frozenset()

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Whether a template may use this attribute: no methods but those known to be harmless."""
        if isinstance(obj, type) or not super().is_safe_attribute(obj, attr, value):
            return False
        for kind, allowed in METHODS.items():
            if isinstance(obj, kind):
                return attr in allowed
        return not isinstance(value, BuiltinMethodType)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """The safe form of a string's `format`, None for anything else."""
        return format_method(self, value)

    def call(self, context: Context, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call a function, macro or method for a template."""
        account = meter()
        named = {name: arg for name, arg in kwargs.items() if name not in _OF_JINJA}
        account.made((*args, *named.values()))
        if isinstance(function, (BuiltinMethodType, MethodType)):
            args = self._charge_method(function.__self__, function.__name__, args, named)
        elif (cost := self._costs.get(id(function))) is not None:
            account.spend(cost(*args, **named))
        account.begin_call()
        try:
            return account.made(super().call(context, function, *args, **kwargs))
        finally:
            account.end_call()

    def _charge_method(
        self, owner: Any, name: str, args: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[Any, ...]:
        """The arguments of a method, after its charge."""
        for kind, costs in METHODS.items():
            if isinstance(owner, kind):
                if name not in costs:
                    raise SecurityError(f"{kind.__name__}.{name} is unsafe")
                factor = _ESCAPES if isinstance(owner, Markup) else 1
                meter().spend(factor * costs[name](owner, *args, **named))
                if name == "join" and isinstance(owner, str):
                    return (joinable(owner, args[0]),)
        return args

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Apply an operator, after a charge for what comes of it."""
        account = meter()
        account.spend(OPERATORS[operator](left, right))
        return account.made(super().call_binop(context, operator, left, right))

    def handle_exception(self, source: str | None = None) -> NoReturn:
        """Pass an error on. Jinja would compile a piece of Python for each frame of its trace."""
        raise

    def _generate(self, source: nodes.Template, *args: Any, **kwargs: Any) -> str:
        """Jinja's hook between parsing a template and writing its code."""
        check_shape(source)
        generator = _MeteredGenerator(self, *args[:2], optimized=False)
        generator.visit(Metering().visit(source))
        self.undeclared = frozenset(generator.undeclared)
        return generator.stream.getvalue()  # type: ignore[attr-defined,no-any-return]

    def _compile(self, source: str, filename: str) -> CodeType:
        """Jinja's hook for Python's compiler, whose work grows with the code alone."""
        meter().spend(_CODE * len(source))
        meter().look()
        code = super()._compile(source, filename)
        meter().look()
        return code


class _MeteredGenerator(CodeGenerator):
    """Jinja's compiler, with each of its steps on the meter."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.undeclared: set[str] = set()
        self._written = 0

    def visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> Any:
        meter().step()
        return NodeVisitor.visit(self, node, *args, **kwargs)

    def write(self, x: str) -> None:
        self._written += len(x) + 4 * self._indentation * (self._new_lines > 0)
        if self._written > _MOST_CODE:
            raise SecurityError(f"it becomes more than {_MOST_CODE:,} characters of Python")
        meter().step()
        super().write(x)

    def enter_frame(self, frame: Frame) -> None:
        super().enter_frame(frame)
        for action, name in frame.symbols.loads.values():
            if action == VAR_LOAD_RESOLVE and name not in self.environment.globals:
                self.undeclared.add(str(name))


def compiled(source: str, now: Callable[[], datetime]) -> tuple[Template, frozenset[str]]:
    """A template, and the names that it looks up outside. Raises Jinja's errors, and others."""
    sandbox = TemplateSandbox(now)
    return sandbox.from_string(source), sandbox.undeclared


@pass_context
def _finalize(_context: Context, value: Any) -> Any:
    """Account for what a template writes. That it wants the context keeps Jinja from folding."""
    account = meter()
    account.spend(written(value))
    return account.made(value if isinstance(value, str) else str(value))


class _Namespace(Namespace):
    """Jinja's namespace, with its values on the meter. Its own text does not contain them."""

    def __setitem__(self, name: str, value: Any) -> None:
        meter().made(value)
        super().__setitem__(name, value)

    def __repr__(self) -> str:
        return "<namespace>"


class _MeteredTokens(Extension):
    """Has every token of a template's source on the meter."""

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        account = meter()
        for token in stream:
            account.spend(_TOKEN)
            yield token


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
