"""The reference has every public name, and what public calls give back; the site has every page."""

from __future__ import annotations

import inspect
import pydoc
import re
import sys
from pathlib import Path
from typing import Any

import pestle
import pestle.server
import pytest
from pestle import _core, errors

from tests.unit.llm.test_help import public

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
REFERENCE = sorted((DOCS / "reference").glob("*.md"))
NAMES = [
    name
    for page in REFERENCE
    for name in re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
]
# How mkdocs.yml leaves out what servers call, and makers of parts.
LEFT_OUT = re.compile(r"_(request|run)$|\.from_|\.(prompt_of|chat_tokens|check_switches)$")


def test_public_names() -> None:
    assert len(NAMES) == len({*NAMES})
    of_errors = {*errors.__all__} & {*pestle.__all__}
    listed = {name.removeprefix("pestle.") for name in NAMES}
    assert "errors" in listed
    assert {*pestle.__all__} - of_errors - {"__version__"} <= listed
    table = (DOCS / "reference/errors.md").read_text(encoding="utf-8")
    for name in errors.__all__:
        assert f"`{name}`" in table or name == "Error"


@pytest.mark.parametrize("name", NAMES)
def test_what_is_listed_exists_and_is_explained(name: str) -> None:
    found: Any = pydoc.locate(name)
    assert found is not None
    assert inspect.getdoc(found)


def test_what_calls_give_back() -> None:
    """The classes in the annotations of public results are in the reference too."""
    classes = {
        name
        for module in [*sys.modules]
        if module.startswith("pestle.") and not module.startswith("pestle.server")
        for name, value in vars(sys.modules[module]).items()
        if inspect.isclass(value) and value.__module__.startswith("pestle.")
    } - {*dir(_core)}
    known = {name.rpartition(".")[2] for name in NAMES} | {*errors.__all__}
    missing = set()
    for name, value, _ in public():
        if LEFT_OUT.search(name):
            continue
        function = value.fget if isinstance(value, property) else value
        annotations = dict(getattr(function, "__annotations__", {}))
        if not inspect.isclass(value):
            annotations = {"return": annotations.get("return", "")}
        for word in re.findall(r"[A-Z]\w+", " ".join(map(str, annotations.values()))):
            if word in classes and word not in known:
                missing.add(f"{word} of {name}")
    assert missing == set()


def test_every_page_is_on_the_site() -> None:
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    pages = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    assert {*re.findall(r"[\w/-]+\.md", nav)} == pages
