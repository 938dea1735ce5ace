"""What the oldest Python of pyproject.toml cannot read. Its wheel is tried at a release."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent.parent
SOURCES = sorted((ROOT / "python" / "pestle").rglob("*.py"))


def oldest() -> tuple[int, int]:
    found = re.search(r'requires-python = ">=(\d+)\.(\d+)"', (ROOT / "pyproject.toml").read_text())
    assert found is not None
    return int(found[1]), int(found[2])


def generic_named_tuples(tree: ast.Module) -> Iterator[ast.ClassDef]:
    """Python 3.11 and later make them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and len(node.bases) > 1:
            bases = [ast.unparse(base) for base in node.bases]
            if any(base.rpartition(".")[2] == "NamedTuple" for base in bases):
                yield node


def test_every_module_reads() -> None:
    assert len(SOURCES) > 300
    refused = []
    for path in SOURCES:
        tree = ast.parse(path.read_text(), str(path), feature_version=oldest())
        refused += [f"{path}:{node.lineno}" for node in generic_named_tuples(tree)]
    assert refused == []


def test_a_generic_named_tuple_is_found() -> None:
    tree = ast.parse("class Taken(NamedTuple, Generic[T]): ...\nclass Rows(NamedTuple): ...")
    assert [node.name for node in generic_named_tuples(tree)] == ["Taken"]
