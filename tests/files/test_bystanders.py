"""Random operations among other people's files; and that this test notices what it is for."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from pestle import files
from pestle.models import hub_cache
from pestle.sessions import SessionFolder
from pestle.sessions.pages import PageFiles

from tests.files.bystanders import run

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="forks, and sends signals"),
    pytest.mark.slow,
]
N = int(os.environ.get("PESTLE_BYSTANDERS", "300"))


def test_bystanders(tmp_path: Path) -> None:
    figures = run(N, 1, tmp_path)
    assert figures.wrong == [], str(figures)
    assert figures.operations.total() == N
    assert len(figures.faults) == 5  # of every kind


def test_a_folder_that_is_removed_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A1, as it was."""

    def begin() -> None:
        monkeypatch.setattr(SessionFolder, "_require_ours", lambda self: None)
        monkeypatch.setattr(SessionFolder, "_state", lambda self: None)  # nothing was saved
        monkeypatch.setattr(files, "remove_leftovers", shutil.rmtree)

    wrong = run(40, 1, tmp_path, ["save"], begin).wrong
    assert any(line.endswith(" is changed") for line in wrong)


def test_names_that_are_like_ours_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A2, as it was."""

    def keep_only(self: Any, kept: set[str], *, named: set[str]) -> None:
        for path in self._folder.glob("kv-*"):
            if path.name not in kept and not path.is_dir():
                path.unlink()

    def begin() -> None:
        monkeypatch.setattr(PageFiles, "keep_only", keep_only)

    wrong = run(40, 1, tmp_path, ["save"], begin).wrong
    assert any("kv-notes is changed" in line for line in wrong)


def test_a_link_that_is_followed_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A3, as it was."""

    def begin() -> None:
        monkeypatch.setattr(hub_cache, "_is_blob", lambda path, home: True)

    wrong = run(60, 1, tmp_path, ["delete"], begin).wrong
    assert any("/out/" in line and line.endswith(" is changed") for line in wrong)


def test_files_that_are_half_there_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def placed(path: Path, **_: Any) -> Iterator[BinaryIO]:
        files.remove(path)
        with files.created(path) as stream:
            yield stream

    def begin() -> None:
        monkeypatch.setattr(files, "placed", placed)

    wrong = run(100, 1, tmp_path, ["imatrix"], begin).wrong
    assert any(line.endswith(("is not whole", "is gone")) for line in wrong)
