"""docs/clients.md: its programs and lines run as they stand, at a server of the default model.

The address and the model's name are all that is put in. Its configurations of coding agents are
run by tests/server/clients/test_agents.py, where there are any.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pestle import LLM
from pestle.server import create_app

from tests.real.pages import ADDRESS, CLIENTS, Block, missing_packages, of
from tests.server.serving import serving

PROGRAMS = of(CLIENTS, "python")
LINES = [block for block in of(CLIENTS, "sh") if "claude" not in block.code]


@pytest.fixture(scope="module")
def address(smollm: LLM) -> Iterator[str]:
    with serving(create_app({"smollm": smollm})) as client:
        yield client.url


def put_in(code: str, address: str) -> str:
    """What a reader writes: where the server is, and what its model is called."""
    return re.sub(r"\bNAME\b", "smollm", code.replace(ADDRESS, address))


def run(command: list[str], folder: Path, **environment: str) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"} | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.real
@pytest.mark.parametrize("block", PROGRAMS, ids=lambda block: f"line {block.line}")
def test_programs(block: Block, address: str, tmp_path: Path) -> None:
    if missing := missing_packages(block.code):
        pytest.skip(f"needs {', '.join(missing)}, of '.[clients]'")
    # LiteLLM would fetch a list of prices.
    program = [sys.executable, "-c", put_in(block.code, address)]
    assert "Paris" in run(program, tmp_path, LITELLM_LOCAL_MODEL_COST_MAP="True")


def test_there_are_programs() -> None:
    """Those of packages that the tests bring, and others."""
    assert len([each for each in PROGRAMS if not missing_packages(each.code)]) >= 3
    assert len(PROGRAMS) >= 8


@pytest.mark.real
@pytest.mark.skipif(sys.platform == "win32", reason="the lines are a POSIX shell's")
@pytest.mark.parametrize("block", LINES, ids=lambda block: block.code.split()[0])
def test_lines(block: Block, address: str, tmp_path: Path) -> None:
    program = block.code.split()[0]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    (entry,) = [each.code for each in of(CLIENTS, "yaml") if "model_id" in each.code]
    (tmp_path / "extra-openai-models.yaml").write_text(put_in(entry, address), encoding="utf-8")
    said = run(
        ["/bin/sh", "-c", put_in(block.code, address)], tmp_path, LLM_USER_PATH=str(tmp_path)
    )
    assert "Paris" in said


def addresses(value: Any) -> Iterator[str]:
    """All texts of a configuration that are addresses."""
    if isinstance(value, dict):
        value = [*value.values()]
    if isinstance(value, list):
        for each in value:
            yield from addresses(each)
    elif isinstance(value, str) and "://" in value:
        yield value


@pytest.mark.parametrize("language", ["json", "toml", "yaml"])
def test_configurations_can_be_read(language: str) -> None:
    """They are what they say, and each names the server."""
    if language == "json":
        load = json.loads
    elif language == "toml":
        load = pytest.importorskip("tomllib", reason="Python reads TOML from 3.11 on").loads
    else:
        load = pytest.importorskip("yaml").safe_load
    for block in of(CLIENTS, language):
        found = [*addresses(load(block.code))]
        assert found, block.code
        assert {each.removesuffix("/v1") for each in found} == {ADDRESS}
