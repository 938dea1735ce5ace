"""Puts the meter into a parsed template: a step in every loop, a charge at every operation."""

from __future__ import annotations

from typing import TypeVar

from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.visitor import NodeTransformer

from pestle.template.filters import CHAINED, CONCAT, MADE, SLICE, SPREAD, STEP
from pestle.template.meter import meter

MOST_DEPTH = 120  # parts within parts; Python's compiler takes 200 parentheses
MOST_BRANCHES = 2_000_000  # branches x names: Jinja copies the names at each
NODE = 600  # bytes of a part of a parsed template

_Applied = TypeVar("_Applied", nodes.Call, nodes.Filter, nodes.Test)
_Body = TypeVar("_Body", nodes.For, nodes.Macro, nodes.CallBlock, nodes.Block)


def check_shape(template: nodes.Template) -> None:
    """Bound what Jinja's compiler does in one go. Raises SecurityError.

    It works through branches and names before it writes anything, and is recursive.
    """
    branches, names, depth = 0, set[str](), 0
    level: list[nodes.Node] = [template]
    while level:
        depth += 1
        if depth > MOST_DEPTH:
            raise SecurityError(f"its parts are more than {MOST_DEPTH} levels deep")
        below: list[nodes.Node] = []
        for node in level:
            meter().spend(NODE)
            below += node.iter_child_nodes()
            if isinstance(node, (nodes.If, nodes.For, nodes.Macro, nodes.CallBlock, nodes.Block)):
                branches += 1
            elif isinstance(node, (nodes.Name, nodes.NSRef)):
                names.add(node.name)
            elif isinstance(node, (nodes.EvalContextModifier, nodes.ScopedEvalContextModifier)):
                raise SecurityError("chat templates have no `autoescape`")
            elif isinstance(node, nodes.Const):
                meter().made(node.value)
        level = below
    if branches * len(names) > MOST_BRANCHES:
        raise SecurityError(f"it has {branches:,} branches and {len(names):,} names, too many")


class Metering(NodeTransformer):
    """Changes a template so that all that it does is on the meter."""

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802
        self.generic_visit(node)
        if node.test is not None:
            turn = _filter(nodes.Const(0, lineno=node.lineno), STEP)
            node.test = nodes.And(turn, node.test, lineno=node.lineno)
        return _stepping(node)

    def visit_Macro(self, node: nodes.Macro) -> nodes.Macro:  # noqa: N802
        self.generic_visit(node)
        return _stepping(node)

    def visit_CallBlock(self, node: nodes.CallBlock) -> nodes.CallBlock:  # noqa: N802
        self.generic_visit(node)
        return _stepping(node)

    def visit_Block(self, node: nodes.Block) -> nodes.Block:  # noqa: N802
        self.generic_visit(node)
        return _stepping(node)

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
        if len(node.ops) == 1:
            (operand,) = node.ops
            return _filter(node.expr, f"_{operand.op}", operand.expr)
        return _filter(node, CHAINED)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Expr:  # noqa: N802
        self.generic_visit(node)
        if not isinstance(node.arg, nodes.Slice):
            return node
        none = nodes.Const(None, lineno=node.lineno)
        bounds = (node.arg.start, node.arg.stop, node.arg.step)
        return _filter(node.node, SLICE, *(none if bound is None else bound for bound in bounds))

    def visit_Call(self, node: nodes.Call) -> nodes.Call:  # noqa: N802
        self.generic_visit(node)
        return _spreading(node)

    def visit_Filter(self, node: nodes.Filter) -> nodes.Filter:  # noqa: N802
        self.generic_visit(node)
        return _spreading(node)

    def visit_Test(self, node: nodes.Test) -> nodes.Test:  # noqa: N802
        self.generic_visit(node)
        return _spreading(node)


def _filter(node: nodes.Expr, name: str, *args: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, name, list(args), [], None, None, lineno=node.lineno)


def _spreading(node: _Applied) -> _Applied:
    """Charge `*args` and `**kwargs`, which Python copies."""
    if node.dyn_args is not None:
        node.dyn_args = _filter(node.dyn_args, SPREAD)
    if node.dyn_kwargs is not None:
        node.dyn_kwargs = _filter(node.dyn_kwargs, SPREAD)
    return node


def _stepping(node: _Body) -> _Body:
    n_bytes = sum(4 * len(data.data) for data in node.find_all(nodes.TemplateData))
    step = _filter(nodes.Const(n_bytes, lineno=node.lineno), STEP)
    node.body = [nodes.ExprStmt(step, lineno=node.lineno), *node.body]
    return node
