"""Simon Willison's `llm` against a real port: an entry in its extra-openai-models.yaml."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pestle import LLM

from tests.server.scripted import calls, scripted, thinks
from tests.server.serving import Client

pytest.importorskip("llm")

MakeLlm = Callable[..., LLM]
Serve = Callable[..., Client]
MODELS = """\
- model_id: pestle
  model_name: fake
  api_base: {url}/v1
  supports_schema: true
  supports_tools: true
"""


@pytest.fixture
def llm_command(tmp_path: Path, serve: Serve) -> Callable[..., str]:
    """Run `llm` at a server of a model; what it prints."""

    def run(llm: LLM, *arguments: str) -> str:
        entry = MODELS.format(url=serve(llm).url)
        (tmp_path / "extra-openai-models.yaml").write_text(entry, encoding="utf-8")
        command = [sys.executable, "-m", "llm", *arguments]
        environment = {**os.environ, "LLM_USER_PATH": str(tmp_path), "OPENAI_API_KEY": "x"}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize("more", [[], ["--no-stream"]])
def test_a_prompt(make_llm: MakeLlm, llm_command: Callable[..., str], more: list[str]) -> None:
    llm = scripted(make_llm, [*thinks("Hm."), "Good morning."])
    assert llm_command(llm, "-m", "pestle", *more, "Hello!").strip() == "Good morning."


def test_a_schema(make_llm: MakeLlm, llm_command: Callable[..., str]) -> None:
    llm = scripted(make_llm, ['{"kind": "jay"}'])
    said = llm_command(llm, "-m", "pestle", "--no-stream", "--schema", "kind str", "Which?")
    assert said.strip() == '{"kind": "jay"}'


def test_a_tool(make_llm: MakeLlm, llm_command: Callable[..., str]) -> None:
    llm = scripted(make_llm, calls("look", at="sky"), ["A jay."])
    look = "def look(at: str) -> str:\n    return 'a jay'\n"
    said = llm_command(llm, "-m", "pestle", "--functions", look, "What is up?")
    assert said.strip() == "A jay."
