"""What the README says: its links lead somewhere, its lines can be typed, its output is what comes.

Its lines are run by a shell, with the default model and without the network. Lines that would
fetch something are read by the commands they name, as far as can be told without fetching.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from pestle.cli import main
from pestle.models import CATALOGUE
from pestle.models.catalogue import lookup

from tests.real.pages import ROOT, of, pages, typed

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [page for page in pages() if page.name != "cli.md"]  # which is made of the commands
CONSOLES = [block.code for block in of(ROOT / "README.md", "console")]
PYTHON = [block.code for block in of(ROOT / "README.md", "python")]
TOOLS = {"tools/build_wheels": "tools/wheels", "tools/fuzz": "tools/fuzzing"}
"""Where the options of a program are that is only its beginning."""


@pytest.fixture
def shell(default_model: Path, tmp_path: Path) -> Path:
    """A folder with a `pestle` of this very program."""
    if sys.platform == "win32":
        pytest.skip("the README's lines are a POSIX shell's")
    command = tmp_path / "bin" / "pestle"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m pestle "$@"\n')
    command.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]*)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    for link in links:
        if link and not link.startswith("https://"):
            assert (page.parent / link).exists(), link


@pytest.mark.real
@pytest.mark.parametrize("block", CONSOLES, ids=range(len(CONSOLES)))
def test_console(shell: Path, block: str) -> None:
    """Each `$` line is typed; what follows it is all that it writes."""
    environment = os.environ | {"PESTLE_OFFLINE": "1"}
    environment["PATH"] = f"{shell / 'bin'}{os.pathsep}{environment['PATH']}"
    lines = "\n".join(line[2:] for line in block.splitlines() if line.startswith("$ "))
    expected = "".join(line for line in block.splitlines(True) if not line.startswith("$ "))
    done = subprocess.run(
        ["/bin/sh", "-c", lines], cwd=shell, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
    )  # fmt: skip
    assert done.stdout == expected


@pytest.mark.real
def test_the_first_line_answers(shell: Path) -> None:
    """The one that CI installs with."""
    (line,) = re.findall(r"^    python -m pip install \. && (pestle .*)$", README, re.MULTILINE)
    arguments = [sys.executable, "-m", *shlex.split(line)]
    done = subprocess.run(
        arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
    )
    assert "Paris" in done.stdout


@pytest.mark.real
@pytest.mark.parametrize("code", PYTHON)
def test_python(shell: Path, code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120,
        env=os.environ | {"PESTLE_OFFLINE": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Paris" in done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_are_there(page: Path) -> None:
    """Of every `pestle ...` that a page names."""
    context = click.Context(main)
    inline = re.findall(r"`(pestle [^`]*)`", page.read_text(encoding="utf-8"))
    lines = [part.strip() for line in typed(page) for part in line.split("&&")]
    for line in inline + [line for line in lines if line.startswith("pestle ")]:
        _, name, *words = line.replace("...", "").split()
        command = main if name.startswith("-") else main.get_command(context, name)
        assert command is not None, line
        known = {o for p in command.params if isinstance(p, click.Option) for o in p.opts}
        for word in (name, *words):
            assert not re.match(r"--?[a-z]", word) or word in known, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tools_and_their_options_are_there(page: Path) -> None:
    for line in typed(page):
        program, *words = line.removeprefix("python ").split()
        if not program.startswith("tools/"):
            continue
        files = [ROOT / program, *sorted((ROOT / TOOLS.get(program, program)).glob("*.py"))]
        source = "".join(f.read_text(encoding="utf-8") for f in files if f.is_file())
        assert source, line
        for word in words:
            assert not word.startswith("--") or word in source, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_models_are_in_the_catalogue(page: Path) -> None:
    """Those that a page names in code: in tables, and behind `pestle chat` and the like."""
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"\| `([a-z0-9.-]+)` \|", text)
    named += re.findall(r"pestle (?:chat|info|plan) ([a-z][a-z0-9.:-]*\d[a-z0-9.:-]*)", text)
    for name in named:
        assert lookup(name) is not None, name


def test_the_table_of_models() -> None:
    """Sizes are the catalogue's, and what is free holds the model."""
    rows = re.findall(r"^\| (\d+) GB \| `([^`]+)` \| ([\d.]+) GB \|", README, re.MULTILINE)
    assert len(rows) >= 6
    for free, name, size in rows:
        entry = CATALOGUE[name]
        assert float(size) == pytest.approx(entry.size / 1e9, rel=0.02), name
        assert int(free) * 1e9 > entry.size * 1.06 + 0.3e9, name
    assert f"{len(CATALOGUE)} names" in README
