"""The version comes from git, and from what git or a build left where there is no git."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("setuptools_scm", reason="needs '.[dev]'")
pytest.importorskip("scikit_build_core", reason="needs scikit-build-core")

ROOT = Path(__file__).resolve().parent.parent.parent.parent
_ASK = (
    "from scikit_build_core.metadata.setuptools_scm import dynamic_metadata;"
    "print(dynamic_metadata('version'))"
)


def _git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    command = ["git", *identity, *words]
    return subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def _version(folder: Path) -> str:
    """As the build back end finds it. A tree of ours may lie in a repository of somebody else's."""
    environment = os.environ | {"GIT_CEILING_DIRECTORIES": str(folder.parent)}
    return subprocess.run(
        [sys.executable, "-c", _ASK],
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """What decides about the version, without git."""
    folder = tmp_path / "tree"
    folder.mkdir()
    for name in ("pyproject.toml", ".git_archival.txt", ".gitattributes"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture
def clone(tree: Path) -> Path:
    """The same with one commit and no tag."""
    _git(tree, "init", "-q")
    _git(tree, "add", ".")
    _git(tree, "commit", "-q", "-m", "First")
    return tree


def test_without_git(tree: Path) -> None:
    assert _version(tree) == "0.1.0.dev0"


def test_without_a_tag(clone: Path) -> None:
    commit = _git(clone, "rev-parse", "HEAD")
    found = re.fullmatch(r"0\.1\.0\.dev1\+g([0-9a-f]{7,})", _version(clone))
    assert found is not None
    assert commit.startswith(found[1])


def test_at_a_tag(clone: Path) -> None:
    _git(clone, "tag", "v3.2.1")
    assert _version(clone) == "3.2.1"


def test_after_a_tag(clone: Path) -> None:
    _git(clone, "tag", "v3.2.1")
    _git(clone, "commit", "-q", "--allow-empty", "-m", "Second")
    assert re.fullmatch(r"3\.2\.2\.dev1\+g[0-9a-f]{7,}", _version(clone))


@pytest.mark.skipif(not (ROOT / ".git_archival.txt").exists(), reason="a source distribution")
def test_in_an_archive_that_git_made(clone: Path, tmp_path: Path) -> None:
    _git(clone, "tag", "v3.2.1")
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    archive = tmp_path / "archive.tar"
    _git(clone, "archive", "--output", str(archive), "HEAD")
    shutil.unpack_archive(archive, unpacked)
    assert _version(unpacked) == "3.2.1"
