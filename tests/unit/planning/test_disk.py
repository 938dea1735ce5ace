"""How fast the disk reads: a number, or nothing where the system has no such reads."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from pestle.planning import disk


def test_a_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_SCRATCH", 8 << 20)
    rate = disk.read_rate(tmp_path / "not" / "there")
    assert rate is None or 0 < rate < 1e12
    assert list(tmp_path.iterdir()) == []
    path = tmp_path / "model"
    path.write_bytes(bytes(9 << 20))
    again = disk.read_rate(tmp_path, path)
    assert (again is None) == (rate is None)


@pytest.mark.parametrize("size", [0, 1, 3 << 20])
def test_nothing_is_known_of_a_file_that_is_too_small(
    size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "_SCRATCH", 0)
    path = tmp_path / "model"
    path.write_bytes(bytes(size))
    assert disk.read_rate(tmp_path, path) is None


def test_nothing_is_known_where_nothing_can_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert disk.read_rate(tmp_path) is None


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can be asked")
def test_the_cache_is_asked_to_drop_whole_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(os, "posix_fadvise", lambda _, *what: asked.append(what))
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        path.write_bytes(b"weights")
    disk.forget(map(str, paths))
    assert asked == [(0, 0, os.POSIX_FADV_DONTNEED)] * 2
