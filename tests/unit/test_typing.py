"""What users' type checkers see of the package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pestle
import pytest

PACKAGE = Path(pestle.__file__).parent
PROGRAM = """\
from pestle import LLM, ArgumentError, ChatCompletion

with LLM() as llm:
    answer: ChatCompletion = llm.chat([{"role": "user", "content": "Hi"}], temperature=0.5)
    for chunk in llm.chat([{"role": "user", "content": "Hi"}], stream=True):
        print(chunk.text.upper())
    reveal_type(llm.generate("x").usage.prompt_tokens)
    reveal_type(answer.message)
    try:
        llm.chat([], temp=0)
    except ArgumentError as error:
        print(str(error))
"""


def test_the_package_says_that_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").read_bytes() == b""


@pytest.mark.slow
def test_a_users_program_is_checked(tmp_path: Path) -> None:
    """An option that does not exist is the only mistake in it."""
    pytest.importorskip("mypy", reason="needs mypy (.[dev])")
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "program.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    said = run.stdout.splitlines()
    assert [line for line in said if "note: Revealed" in line] == [
        'program.py:7: note: Revealed type is "int"',
        'program.py:8: note: Revealed type is "dict[str, Any]"',
    ]
    errors = [line for line in said if ": error: " in line]
    assert errors
    assert all(error.startswith("program.py:10: error: ") for error in errors)
