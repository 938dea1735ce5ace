"""What Tab offers: commands, options, models and saved chats."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete
from pestle.cli import main
from pestle.models import CATALOGUE
from pestle.sessions.places import STATE


def offered(*words: str) -> list[str]:
    """Names that are offered for the last of the words."""
    shell = ShellComplete(main, {}, "pestle", "_PESTLE_COMPLETE")
    found = shell.get_completions([*words[:-1]], words[-1])
    return [item.value for item in found if item.type == "plain"]


QWEN = [name for name in CATALOGUE if name.startswith("qwen3-4b")]


@pytest.mark.parametrize(
    "words",
    [("chat",), ("run",), ("info",), ("plan",), ("pull",), ("eval",), ("imatrix",), ("run", "-m"),
     ("bench", "-m"), ("serve", "-m"), ("serve", "-m", "qwen3-8b", "-m")],
)  # fmt: skip
def test_models(words: tuple[str, ...]) -> None:
    assert QWEN
    assert offered(*words, "qwen3-4b") == QWEN


def test_files_are_offered_where_no_name_begins_so() -> None:
    shell = ShellComplete(main, {}, "pestle", "_PESTLE_COMPLETE")
    assert [item.type for item in shell.get_completions(["info"], "./mod")] == ["file"]
    assert "file" not in [item.type for item in shell.get_completions(["info"], "qwen3")]


def test_text_is_not_completed() -> None:
    assert offered("chat", "qwen3-8b", "qwen3-4b") == []
    assert offered("run", "qwen3-8b", "qwen3-4b") == []


def test_saved_chats(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PESTLE_DATA", str(tmp_path))
    for name in ("trip", "tale", "recipe"):
        (tmp_path / "sessions" / name).mkdir(parents=True)
        (tmp_path / "sessions" / name / STATE).write_text("{}")
    assert sorted(offered("chat", "--session", "t")) == ["tale", "trip"]
    assert offered("run", "--session", "r") == ["recipe"]
    assert offered("rm", "--session", "r") == ["recipe"]
    assert offered("rm", "q") == []  # nothing was downloaded


def test_commands_and_options() -> None:
    assert offered("ch") == ["chat"]
    assert offered("chat", "--to") == ["--tools", "--top-k", "--top-p"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_lines_for_shells(shell: str) -> None:
    """They are in docs/cli.md, and what they run prints a script of that shell's."""
    page = (Path(__file__).parents[2] / "docs/cli.md").read_text(encoding="utf-8")
    assert f"_PESTLE_COMPLETE={shell}_source pestle" in page
    done = subprocess.run(
        [sys.executable, "-m", "pestle"],
        env=os.environ | {"_PESTLE_COMPLETE": f"{shell}_source"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "COMP_CWORD" in done.stdout


def test_a_shell_asks_the_program() -> None:
    """As the script does that `_PESTLE_COMPLETE=bash_source pestle` prints."""
    asked = {"COMP_WORDS": "pestle run qwen3-4b", "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-m", "pestle"],
        env=os.environ | asked | {"_PESTLE_COMPLETE": "bash_complete"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [f"plain,{name}" for name in QWEN]
