"""Coding agents against a real port: each reads a file with a tool of its own, and tells of it.

They are programs of npm: `npm install --prefix build/agents PACKAGE`.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pestle import LLM

from tests.real.pages import ADDRESS, CLIENTS, of
from tests.server.scripted import Script, calls, scripted, thinks
from tests.server.serving import Client

pytestmark = [pytest.mark.live, pytest.mark.slow]

MakeLlm = Callable[..., LLM]
Serve = Callable[..., Client]
ASKED = "Which word does note.txt have?"
THOUGHT = "I have to look."
_BIN = Path(__file__).parents[3] / "build/agents/node_modules/.bin"


def asks(name: str, **arguments: Any) -> Callable[[str], Script]:
    """The first turn; a request without tools is for a title."""

    def first(chat: str) -> Script:
        if "<tools>" not in chat:
            return ["A word"]
        return [*thinks(THOUGHT), *calls(name, **arguments)]

    return first


def tells(chat: str) -> Script:
    """The second turn: only who was given the file's text can say it."""
    (word,) = set(re.findall(r"The word is (\w+)", chat))
    return [f"It says {word}."]


def model(make_llm: MakeLlm, name: str, prompts: list[str], /, **arguments: Any) -> LLM:
    """A model that calls a tool, then tells of what it gave; `prompts` gets what it is asked."""
    return scripted(make_llm, asks(name, **arguments), tells, n_ctx=400_000, prompts=prompts)


def on_the_page(language: str, client: Client, program: str = "") -> str:
    """What docs/clients.md has one write, for a server whose model is called "fake"."""
    (block,) = [each for each in of(CLIENTS, language) if program in each.code]
    return re.sub(r"\bNAME\b", "fake", block.code.replace(ADDRESS, client.url))


def run(command: list[str], folder: Path, **environment: str) -> str:
    """What a program says."""
    program = shutil.which(command[0], path=f"{_BIN}:{os.environ['PATH']}")
    if program is None:
        pytest.skip(f"{command[0]} is not installed")
    project = folder / "project"
    project.mkdir()
    (project / "note.txt").write_text("The word is heron.\n")
    done = subprocess.run(
        [program, *command[1:]],
        cwd=project,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_codex(make_llm: MakeLlm, serve: Serve, tmp_path: Path) -> None:
    prompts: list[str] = []
    client = serve(model(make_llm, "exec_command", prompts, cmd="cat note.txt"))
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex/config.toml").write_text(on_the_page("toml", client), encoding="utf-8")
    said = run(
        [
            *("codex", "exec", "--skip-git-repo-check", "--sandbox", "danger-full-access"),
            ASKED,
        ],
        tmp_path,
    )
    assert "It says heron." in said
    assert THOUGHT in prompts[-1]
    assert "You are a coding agent" in prompts[-1]  # a developer's message


def test_opencode(make_llm: MakeLlm, serve: Serve, tmp_path: Path) -> None:
    prompts: list[str] = []
    path = str(tmp_path / "project/note.txt")
    client = serve(model(make_llm, "read", prompts, filePath=path))
    config = on_the_page("json", client)
    said = run(["opencode", "run", ASKED], tmp_path, OPENCODE_CONFIG_CONTENT=config)
    assert "It says heron." in said
    assert THOUGHT in prompts[-1]


def test_claude_code(make_llm: MakeLlm, serve: Serve, tmp_path: Path) -> None:
    prompts: list[str] = []
    path = str(tmp_path / "project/note.txt")
    client = serve(model(make_llm, "Read", prompts, file_path=path))
    words = shlex.split(on_the_page("sh", client, "claude"))
    settings = dict(word.split("=", 1) for word in words[: words.index("claude")])
    settings["CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"] = "1"
    said = run([*words[words.index("claude") :], "-p", ASKED], tmp_path, **settings)
    assert "It says heron." in said
    assert THOUGHT in prompts[-1]
