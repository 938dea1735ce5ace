"""A memory control group around a process, of version 1 or 2, made where root may make one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

V1, V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")


class NoControlGroupError(Exception):
    """None can be made here; it says why."""


@dataclass(frozen=True)
class ControlGroup:
    """A group with a limit; `version` 1 or 2."""

    folder: Path
    version: int

    def limit(self, n_bytes: int) -> None:
        """All that its processes may take, page cache included; a whole number of pages."""
        with suppress(OSError):  # no swap, where there could be any
            if self.version == 1:
                (self.folder / "memory.swappiness").write_text("0")
            else:
                (self.folder / "memory.swap.max").write_text("0")
        name = "memory.limit_in_bytes" if self.version == 1 else "memory.max"
        (self.folder / name).write_text(str(n_bytes))

    @property
    def peak(self) -> int | None:
        """The most that it has held; None where the system does not tell."""
        name = "memory.max_usage_in_bytes" if self.version == 1 else "memory.peak"
        with suppress(OSError):
            return int((self.folder / name).read_text())
        return None

    @property
    def hits(self) -> int:
        """How often the limit was in the way."""
        if self.version == 1:
            return int((self.folder / "memory.failcnt").read_text())
        events = (self.folder / "memory.events").read_text().split()
        return dict(zip(events[::2], map(int, events[1::2]), strict=True))["max"]

    def run(self, command: Sequence[str], timeout: float) -> subprocess.CompletedProcess[str]:
        """Run a command in the group from its first instruction on, for so many seconds at most."""
        into = f'echo $$ > "{self.folder}/cgroup.procs" && exec "$@"'
        return subprocess.run(
            ["sh", "-c", into, "sh", *command],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )


@contextmanager
def control_group(name: str) -> Iterator[ControlGroup]:
    """A group of its own. Raises NoControlGroupError."""
    if sys.platform != "linux" or os.geteuid() != 0:
        raise NoControlGroupError("only root makes control groups, on Linux")
    version = 1 if (V1 / "memory.limit_in_bytes").exists() else 2
    folder = (V1 if version == 1 else V2) / f"pestle-{os.getpid()}-{name}"
    try:
        if version == 2:
            (V2 / "cgroup.subtree_control").write_text("+memory")
        folder.mkdir()
        group = ControlGroup(folder, version)
        group.limit(1 << 30)
        group.hits  # noqa: B018
    except OSError as error:
        with suppress(OSError):
            folder.rmdir()
        raise NoControlGroupError(f"no memory control group can be made here: {error}") from error
    try:
        yield group
    finally:
        folder.rmdir()


def forget(path: Path) -> None:
    """Have the page cache drop a file, so that whoever reads it next is charged for it."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
