"""How much memory the machine has, and how much a process may still take."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Memory:
    """Bytes of memory; `limit` is what the container allows, None where nothing limits it."""

    total: int
    available: int
    limit: int | None = None


def read() -> Memory:
    """Measure the memory of this machine and of the container around this process."""
    if sys.platform == "win32":
        return _windows()
    if sys.platform == "darwin":
        return _macos()
    return linux(Path("/"))


def resident() -> int:
    """Bytes of memory that this process holds, those of libraries included."""
    if sys.platform == "win32":
        return _windows_resident()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, ValueError):
            pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
            return int(pages) * os.sysconf("SC_PAGE_SIZE")
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # no less than what it holds now
    return most if sys.platform == "darwin" else most * 1024


def peak() -> int | None:
    """The most bytes of memory that this process has held; None where the system does not say."""
    if sys.platform == "win32":
        return None
    if sys.platform == "linux":
        # Not ru_maxrss, which begins with what the process held that started this one.
        with contextlib.suppress(OSError, ValueError, IndexError):
            status = Path("/proc/self/status").read_text(encoding="ascii")
            return int(status.split("VmHWM:")[1].split()[0]) * 1024
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def linux(root: Path) -> Memory:
    """The memory by the files under `root`, which is / but for tests.

    A container may hide /proc, or a part of it: what is not there is asked of the system.
    """
    fields = _meminfo(root)
    page = os.sysconf("SC_PAGE_SIZE")
    total = fields.get("MemTotal") or os.sysconf("SC_PHYS_PAGES") * page
    available = fields.get("MemAvailable", fields.get("MemFree"))
    if available is None:
        available = os.sysconf("SC_AVPHYS_PAGES") * page
    room = _control_group(root)
    if room is None or room[0] >= total:
        return Memory(total, available)
    limit, used = room
    return Memory(total, max(0, min(available, limit - used)), limit)


def _meminfo(root: Path) -> dict[str, int]:
    """/proc/meminfo in bytes; nothing of it where it cannot be read."""
    fields = {}
    with contextlib.suppress(OSError, ValueError):
        for line in (root / "proc/meminfo").read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(":")
            number, *_ = value.split() or ["-"]
            with contextlib.suppress(ValueError):
                fields[name] = int(number) * 1024
    return fields


def _control_group(root: Path) -> tuple[int, int] | None:
    """(limit, used) of the innermost limited control group, versions 2 and 1; None without one.

    What the page cache holds counts as used in these files but can be taken back: it is free.
    """
    found: list[tuple[int, int]] = []
    for folder, limit_name, used_name in _control_group_folders(root):
        with contextlib.suppress(OSError, ValueError):
            limit = int((folder / limit_name).read_text(encoding="ascii"))  # "max" is a ValueError
            used = int((folder / used_name).read_text(encoding="ascii"))
            stat = (folder / "memory.stat").read_text(encoding="ascii").split()
            cached = dict(zip(stat[::2], map(int, stat[1::2]), strict=True))
            used -= cached.get("total_inactive_file", cached.get("inactive_file", 0))
            found.append((limit, used))
    return min(found, key=lambda group: group[0] - group[1], default=None)


def _control_group_folders(root: Path) -> list[tuple[Path, str, str]]:
    """The groups that hold this process, from the innermost to the outermost."""
    folders: list[tuple[Path, str, str]] = []
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return folders
    for line in lines:
        if line.count(":") < 2:
            continue
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            groups, names = root / "sys/fs/cgroup", ("memory.max", "memory.current")
        elif "memory" in controllers.split(","):
            groups = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes")
        else:
            continue
        inner = Path(path.lstrip("/"))
        folders += [(groups / part, *names) for part in (inner, *inner.parents)]
    return folders


def _macos() -> Memory:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    text = subprocess.run(["vm_stat"], capture_output=True, text=True, check=True).stdout
    return Memory(total, vm_stat_free(text))


def vm_stat_free(text: str) -> int:
    """Bytes that can be had, from the output of macOS' `vm_stat`."""
    pages = 0
    for line in text.splitlines()[1:]:
        name, _, value = line.partition(":")
        if name in ("Pages free", "Pages inactive", "Pages speculative", "Pages purgeable"):
            pages += int(value.strip().rstrip("."))
    # Its own page size: SC_PAGE_SIZE is another one under Rosetta.
    return pages * int(text.partition("page size of ")[2].split()[0])


class _MemoryStatus(ctypes.Structure):
    """MEMORYSTATUSEX of the Windows API."""

    _fields_ = (
        ("length", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        *((name, ctypes.c_uint64) for name in ("total", "available", "page_total", "page_free",
                                               "virtual_total", "virtual_free", "extended")),
    )  # fmt: skip


def _windows() -> Memory:
    status = _MemoryStatus()
    status.length = ctypes.sizeof(status)
    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
    if not kernel.GlobalMemoryStatusEx(ctypes.byref(status)):
        raise ctypes.WinError()  # type: ignore[attr-defined,unused-ignore]
    return Memory(status.total, status.available)


class _MemoryCounters(ctypes.Structure):
    """PROCESS_MEMORY_COUNTERS of the Windows API."""

    _fields_ = (
        ("length", ctypes.c_uint32),
        ("faults", ctypes.c_uint32),
        *((name, ctypes.c_size_t) for name in ("peak", "resident", "pool_peak", "pool",
                                               "other_peak", "other", "file", "file_peak")),
    )  # fmt: skip


def _windows_resident() -> int:
    counters = _MemoryCounters()
    counters.length = ctypes.sizeof(counters)
    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    get = kernel.K32GetProcessMemoryInfo
    get.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32)
    if not get(kernel.GetCurrentProcess(), ctypes.byref(counters), counters.length):
        raise ctypes.WinError()  # type: ignore[attr-defined,unused-ignore]
    return int(counters.resident)
