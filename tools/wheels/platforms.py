"""What wheels are built for, and by which Python."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

GLIBC = "2.28"
"""The oldest that a wheel runs with: Debian 10, RHEL 8, Ubuntu 18.10 and all that came later."""


@dataclass(frozen=True)
class Platform:
    """A kind of machine."""

    machine: str  # as `uname -m` and wheels' tags name it

    @property
    def zig_target(self) -> str:
        """The cross compiler's name for it."""
        return f"{self.machine}-linux-gnu.{GLIBC}"

    @property
    def tag(self) -> str:
        """The wheel's platform tag."""
        return f"manylinux_{GLIBC.replace('.', '_')}_{self.machine}"

    def runs(self, wheel: str) -> bool:
        """Whether a wheel of that file name runs on this platform, by its tag."""
        found = re.search(rf"-manylinux_2_(\d+)_{self.machine}\.whl$", wheel)
        return found is not None and int(found[1]) <= int(GLIBC.partition(".")[2])


PLATFORMS = {machine: Platform(machine) for machine in ("x86_64", "aarch64")}

_QUESTION = """
import json, sys, sysconfig
print(json.dumps({
    "implementation": sys.implementation.name,
    "version": sys.version_info[:2],
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "include": sysconfig.get_path("include"),
}))
"""


@dataclass(frozen=True)
class Interpreter:
    """A CPython of this machine. Its headers serve any 64-bit Linux: pyconfig.h says the same."""

    path: Path
    version: tuple[int, int]
    free_threaded: bool
    include: Path

    @classmethod
    def of(cls, path: Path) -> Interpreter:
        """Ask the program at `path`. Raises SystemExit where it cannot build."""
        try:
            done = subprocess.run([path, "-I", "-c", _QUESTION], capture_output=True, text=True)
        except OSError as error:
            raise SystemExit(f"build_wheels: {path}: {error.strerror}") from None
        if done.returncode:
            raise SystemExit(
                f"build_wheels: {path} ended with {done.returncode}, expected a CPython"
            )
        found = json.loads(done.stdout)
        if found["implementation"] != "cpython":
            raise SystemExit(f"build_wheels: {path} is {found['implementation']}, expected cpython")
        if not (Path(found["include"]) / "Python.h").is_file():
            raise SystemExit(f"build_wheels: {path}: no Python.h in {found['include']}")
        version = (found["version"][0], found["version"][1])
        return cls(path, version, found["free_threaded"], Path(found["include"]))

    @property
    def tag(self) -> str:
        """As in cp312."""
        return f"cp{self.version[0]}{self.version[1]}{'t' if self.free_threaded else ''}"

    def link_own_pyconfig(self, folder: Path, platform: Platform) -> None:
        """Make `folder` one to look for headers in, with what Debian's pyconfig.h asks for.

        It includes <x86_64-linux-gnu/python3.13/pyconfig.h>, and its folder holds the system's own
        C library beside it, which is not to be found.
        """
        folder = folder / f"{platform.machine}-linux-gnu"
        folder.mkdir(parents=True)
        for own in self.include.parent.glob(f"*-linux-gnu/{self.include.name}"):
            (folder / own.name).symlink_to(own)

    def extension_suffix(self, platform: Platform) -> str:
        """Of modules for this Python on that platform: .cpython-312-aarch64-linux-gnu.so."""
        number = self.tag.removeprefix("cp")
        return f".cpython-{number}-{platform.machine}-linux-gnu.so"
