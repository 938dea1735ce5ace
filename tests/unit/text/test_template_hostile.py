"""Some 650 hostile chat templates, in a process of their own with hard limits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from jinja2 import nodes
from pestle.template.costs import FILTERS, FUNCTIONS, LAZY, METHODS, OPERATORS, TESTS, WHOLE
from pestle.template.filters import COMPARISONS, METERED_FILTERS, METERED_TESTS, OWN
from pestle.template.meter import Meter, metered
from pestle.template.sandbox import TemplateSandbox

from tests.unit.text.hostile_templates import all_templates

ROOT = Path(__file__).resolve().parents[3]
SECONDS = 0.04  # of processor time for each; what a real chat may take is in the meter
MB = 300  # by which the memory may grow: the budget of 256 and some


def limited() -> None:
    """4 GB of address space, and ten minutes, for the whole process."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    resource.setrlimit(resource.RLIMIT_CPU, (600, 600))


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="limits of processes are POSIX's")
def test_hostile_templates_stay_within_their_budget() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.text.hostile_templates", str(SECONDS)],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(map(str, (*filter(None, sys.path), ROOT))),
        },
        preexec_fn=limited,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(results) == len(all_templates()) > 500
    for result in results:
        assert "MemoryError" not in result["said"], result
        assert result["mb"] < MB, result
        # An operation is never stopped midway, so there is some more than the budget.
        assert result["seconds"] < SECONDS + 1, result
    assert sum("not more" in result["said"] for result in results) > 300


def test_everything_that_a_template_can_do_has_a_cost() -> None:
    """What is reachable is what the tables of costs have, and nothing else."""
    sandbox = TemplateSandbox(None)  # type: ignore[arg-type]
    assert sandbox.filters.keys() == METERED_FILTERS.keys() == FILTERS.keys() | OWN.keys()
    assert sandbox.tests.keys() == METERED_TESTS.keys() == TESTS.keys()
    assert sandbox.globals.keys() == FUNCTIONS.keys()
    assert sandbox.intercepted_binops == OPERATORS.keys()
    assert set(sandbox.binop_table) == OPERATORS.keys()
    assert FILTERS.keys() > LAZY | WHOLE
    assert {f"_{name}" for name in (*COMPARISONS, "in", "notin")} < OWN.keys()
    for kind, value in ((str, "a"), (dict, {}), (list, []), (tuple, ())):
        reachable = {
            name
            for name in dir(value)
            if sandbox.is_safe_attribute(value, name, getattr(value, name))
        }
        assert reachable == METHODS[kind].keys()
    for value in (1, 1.5, True, b"a", {1}, frozenset(), range(3), iter([1]), (n for n in [1])):  # type: ignore[assignment]
        for name in dir(value):
            if callable(getattr(value, name)):
                assert not sandbox.is_safe_attribute(value, name, getattr(value, name)), name


# What Jinja's compiler writes as Python of its own, so that nothing is asked when it runs. Each is
# no work (a name, a choice), or has a step put into it, or has no way to be reached.
UNCHARGED = {
    *("And", "Or", "Not", "CondExpr", "Const", "TemplateData", "Name", "NSRef", "Keyword", "Pair"),
    *("Operand", "Template", "Output", "If", "Assign", "AssignBlock", "ExprStmt", "FilterBlock"),
    *("With", "Scope", "Break", "Continue", "Include", "Import", "FromImport", "Extends", "Slice"),
    *("Getattr", "Getitem", "Neg", "Pos"),
}
STEPPING = {"For", "Macro", "CallBlock", "Block"}
REPLACED = {"Compare", "Concat", "List", "Dict", "Tuple"}
ASKED = {"Call", "Filter", "Test", "Add", "Sub", "Mul", "Div", "FloorDiv", "Mod", "Pow"}
REFUSED = {"EvalContextModifier", "ScopedEvalContextModifier"}
OF_EXTENSIONS = {
    *("ContextReference", "DerivedContextReference", "EnvironmentAttribute", "ExtensionAttribute"),
    *("ImportedName", "InternalName", "MarkSafe", "MarkSafeIfAutoescape", "OverlayScope"),
}


def test_every_kind_of_node_is_known() -> None:
    """A version of Jinja with another kind fails here, before a template makes use of it."""
    abstract = {
        "Node",
        "Stmt",
        "Helper",
        "Expr",
        "BinExpr",
        "UnaryExpr",
        "Literal",
        "_FilterTestCommon",
    }
    kinds = {
        name
        for name, kind in vars(nodes).items()
        if isinstance(kind, type) and issubclass(kind, nodes.Node)
    }
    known = UNCHARGED | STEPPING | REPLACED | ASKED | REFUSED | OF_EXTENSIONS
    assert kinds - abstract == known


def test_nothing_of_what_is_replaced_is_left() -> None:
    source = (
        "{{ a < b < c }}{{ a ~ b }}{{ [a] }}{{ {a: b} }}{{ (a, b) }}{{ a[1:] }}{{ f(*a, **b) }}"
    )
    sandbox = TemplateSandbox(None)  # type: ignore[arg-type]
    with metered(Meter()):
        code = sandbox._generate(sandbox.parse(source), None, None)
    assert "str_join" not in code.partition("def root")[2]
    for name in ("_chained", "_concat", "_made", "_slice", "_spread"):
        assert f"filters['{name}']" in code
