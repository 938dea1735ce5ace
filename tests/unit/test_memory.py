"""How much memory there is, from the files and programs of each system."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from pestle import memory
from pestle.memory import Memory

MEMINFO = "MemTotal:       1000 kB\nMemFree:         100 kB\nMemAvailable:    600 kB\n"
KB = 1024


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A file system with /proc/meminfo, and a process in no control group."""
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/meminfo").write_text(MEMINFO)
    (tmp_path / "proc/self/cgroup").write_text("0::/\n")
    return tmp_path


def limit(root: Path, group: str, limit_bytes: str, used: int, cached: int) -> None:
    folder = root / "sys/fs/cgroup" / group
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit_bytes}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 1\ninactive_file {cached}\n")


def test_unlimited(root: Path) -> None:
    assert memory.linux(root) == Memory(1000 * KB, 600 * KB)


def test_limited_by_its_group(root: Path) -> None:
    (root / "proc/self/cgroup").write_text("0::/user/app\n")
    limit(root, "user/app", "max", 0, 0)
    limit(root, "user", str(300 * KB), 200 * KB, 150 * KB)
    assert memory.linux(root) == Memory(1000 * KB, 250 * KB, 300 * KB)


def test_limit_above_what_there_is(root: Path) -> None:
    limit(root, "", str(2000 * KB), 0, 0)
    assert memory.linux(root) == Memory(1000 * KB, 600 * KB)


def test_version_one(root: Path) -> None:
    (root / "proc/self/cgroup").write_text("5:cpu:/x\n4:memory:/a\n")
    folder = root / "sys/fs/cgroup/memory/a"
    folder.mkdir(parents=True)
    (folder / "memory.limit_in_bytes").write_text(f"{500 * KB}\n")
    (folder / "memory.usage_in_bytes").write_text(f"{500 * KB}\n")
    (folder / "memory.stat").write_text(f"cache 5\ntotal_inactive_file {100 * KB}\n")
    assert memory.linux(root) == Memory(1000 * KB, 100 * KB, 500 * KB)


@pytest.mark.skipif(sys.platform == "win32", reason="asks a system of POSIX")
@pytest.mark.parametrize("found", [None, b"", b"MemTotal:\nnonsense\n", b"\xff\xfe"])
def test_files_that_a_container_hides(tmp_path: Path, found: bytes | None) -> None:
    """What they would say is asked of the system itself."""
    if found is not None:
        (tmp_path / "proc/self").mkdir(parents=True)
        (tmp_path / "proc/meminfo").write_bytes(found)
        (tmp_path / "proc/self/cgroup").write_bytes(found)
    there = memory.linux(tmp_path)
    assert there.limit is None
    assert 0 < there.available <= there.total
    assert there.total == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def test_vm_stat() -> None:
    text = (
        "Mach Virtual Memory Statistics: (page size of 16384 bytes)\n"
        "Pages free:                               10.\n"
        "Pages active:                            100.\n"
        "Pages inactive:                            5.\n"
        "Pages speculative:                         1.\n"
        "Pages purgeable:                           2.\n"
    )
    assert memory.vm_stat_free(text) == 18 * 16384


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_this_machine() -> None:
    found = memory.read()
    assert 0 < found.available <= found.total
