"""What users' type checkers see of the package."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.checkers import PACKAGE, mypy, pyright

PROGRAMS = Path(__file__).parent.parent / "typing"
MISTAKES = """\
import pestle
from pestle import LLM

llm = LLM(n_ctx="4096")
llm.chat("Hello")
llm.chat([{"role": "user", "content": "Hi"}], temp=0)
llm.generate("x", temperature="0")
llm.generate(["a", "b"])
llm.embed("x", poling="mean")
LLM(modell="x")
llm.generate("x").txt
LLM.aopen("x", n_ctx="4096")
pestle.Llm
"""
REVEALED = """\
from pestle import LLM
from typing_extensions import reveal_type

reveal_type(LLM().generate("x").usage.prompt_tokens)
reveal_type(LLM().chat([]).message)
"""


def test_the_package_says_that_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").read_bytes() == b""


def copied(folder: Path) -> Path:
    """The users' programs, in a folder that has nothing of this project around it."""
    return Path(shutil.copytree(PROGRAMS, folder / "programs"))


def lines_of(said: list[str], name: str) -> set[int]:
    """Where a file has errors."""
    found = (re.search(rf"{name}:(\d+):(?:\d+ -)? error: ", line) for line in said)
    return {int(match[1]) for match in found if match}


@pytest.mark.slow
def test_mypy_on_users_programs(tmp_path: Path) -> None:
    programs = copied(tmp_path)
    (tmp_path / "revealed.py").write_text(REVEALED, encoding="utf-8")
    (tmp_path / "mistakes.py").write_text(MISTAKES, encoding="utf-8")
    lines = mypy(programs, "revealed.py", "mistakes.py", folder=tmp_path)
    assert [line for line in lines if "note: Revealed" in line] == [
        'revealed.py:4: note: Revealed type is "int"',
        'revealed.py:5: note: Revealed type is "dict[str, Any]"',
    ]
    # Each mistake is found, and nothing else is one.
    assert [line for line in lines if " error: " in line and "mistakes.py" not in line] == []
    assert lines_of(lines, "mistakes.py") == {*range(4, 14)}


@pytest.mark.slow
def test_pyright_on_users_programs(tmp_path: Path) -> None:
    copied(tmp_path)
    (tmp_path / "mistakes.py").write_text(MISTAKES, encoding="utf-8")
    lines = pyright(folder=tmp_path)
    assert [line for line in lines if " error: " in line and "mistakes.py" not in line] == []
    assert lines_of(lines, "mistakes.py") == {*range(4, 14)}
    assert re.search(r"\d+ errors?, 0 warnings", lines[-1])
