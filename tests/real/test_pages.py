"""What the guides say can be run: each block from top to bottom, and what it prints is what comes.

A page runs in an empty folder with a small checkpoint, with the default model and without the
network. No page has a block that no test runs or reads.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkers import mypy, pyright
from tests.oracle import checkpoint_folder, checkpoints
from tests.oracle.checkpoints import CASES
from tests.real import pages
from tests.real.pages import ROOT, blocks, guides, of
from tests.real.pages import pages as all_pages

# What is run or read of the other pages; their commands are checked by test_readme.py.
TESTED = {
    "README.md": {"console", "python"},  # test_readme.py
    "docs/cli.md": {"sh"},  # tests/cli/test_completion.py
    "docs/clients.md": {"json", "python", "sh", "toml", "yaml"},  # test_clients_page.py
    "docs/serving.md": {"console", "ini", "nginx"},  # test_serving_page.py
}


@pytest.mark.parametrize("page", all_pages(), ids=lambda page: page.stem)
def test_every_block_is_tested(page: Path) -> None:
    languages = {block.language for block in blocks(page)} - {""}
    known = {"python"} if page in guides() else set()
    assert languages == TESTED.get(page.relative_to(ROOT).as_posix(), known)


@pytest.mark.real
@pytest.mark.parametrize("page", guides(), ids=lambda page: page.stem)
def test_a_guide(page: Path, default_model: Path, tmp_path: Path) -> None:
    case = CASES["qwen3moe-256"]
    checkpoint_folder.write(tmp_path / "checkpoint", case, checkpoints.weights(case))
    python = of(page, "python")
    assert any(block.output for block in python)
    done = subprocess.run(
        [sys.executable, pages.__file__, page],
        cwd=tmp_path,
        env=os.environ | {"PESTLE_OFFLINE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for block, printed in zip(python, json.loads(done.stdout), strict=True):
        assert block.output is None or printed == block.output, f"{page}:{block.line}"


@pytest.mark.slow
def test_guides_are_typed(tmp_path: Path) -> None:
    names = []
    for page in guides():
        code = [block.code for block in of(page, "python")]
        names.append(tmp_path / f"guide_{page.stem.replace('-', '_')}.py")
        names[-1].write_text("\n\n".join(code), encoding="utf-8")
    assert [line for line in mypy(*names, folder=tmp_path) if " error: " in line] == []
    lines = pyright(folder=tmp_path)
    assert lines[-1] == "0 errors, 0 warnings, 0 informations", "\n".join(lines)
