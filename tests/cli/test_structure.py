"""Schemas, grammars, expressions and choices on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .conftest import Pestle
from .fakes import FakeLLM

SCHEMA = '{"type": "integer"}'
LARK = 'start: "yes" | "no"'


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (("--json-schema", SCHEMA), {"json_schema": SCHEMA}),
        (("--grammar", LARK), {"grammar": LARK}),
        (("--grammar", 'root ::= "a"'), {"grammar": 'root ::= "a"'}),
        (("--regex", "[0-9]+"), {"regex": "[0-9]+"}),
        (("--choice", "a,b c"), {"choice": ["a", "b c"]}),
        (("--choice", "a,b", "--choice", "c"), {"choice": ["a,b", "c"]}),
    ],
)
@pytest.mark.parametrize("command", [("run", "Hi"), ("run", "--raw", "Hi"), ("chat",)])
def test_what_was_asked_arrives(
    pestle: Pestle, llm: FakeLLM, command: tuple[str, ...], flags: Any, expected: Any
) -> None:
    stdin = "Hi" if command == ("chat",) else None
    assert pestle(*command, *flags, stdin=stdin).exit_code == 0
    ((_, options),) = llm.asked
    assert options == expected


@pytest.mark.parametrize(
    ("flag", "name", "kind"),
    [("--json-schema", "json_schema", "JSON object"), ("--grammar", "grammar", "grammar")],
)
def test_files(
    pestle: Pestle, llm: FakeLLM, tmp_path: Path, flag: str, name: str, kind: str
) -> None:
    path = tmp_path / "wanted.txt"
    path.write_text(LARK, encoding="utf-8")
    assert pestle("run", "Hi", flag, str(path)).exit_code == 0
    assert llm.asked[0][1] == {name: LARK}
    result = pestle("run", "Hi", flag, str(tmp_path / "none"))
    assert result.exit_code == 2
    assert f"none' is neither a file nor a {kind} (see" in result.stderr
    path.write_bytes(b"\xff")
    assert "is not UTF-8 text (byte 0)" in pestle("run", "Hi", flag, str(path)).stderr
    result = pestle("run", "Hi", flag, "letters " * 10_000)
    assert result.exit_code == 2
    assert f"...' is neither a file nor a {kind} (see" in result.stderr
    assert len(result.stderr) < 250


def test_one_of_them_only(pestle: Pestle, llm: FakeLLM) -> None:
    result = pestle("run", "Hi", "--json-schema", SCHEMA, "--choice", "a")
    assert result.exit_code == 2
    assert "--json-schema and --choice exclude each other" in result.stderr
    assert llm.asked == []


def test_what_the_model_cannot_hold_is_a_matter_of_usage(pestle: Pestle, llm: FakeLLM) -> None:
    def refuse(*, json_schema: str, **others: Any) -> None:
        raise ValueError(f"json_schema: {json_schema} is not held")

    llm.check_switches = refuse  # type: ignore[assignment, method-assign]
    result = pestle("run", "Hi", "--json-schema", SCHEMA)
    assert (result.exit_code, llm.asked) == (2, [])
    assert f"json_schema: {SCHEMA} is not held" in result.stderr
