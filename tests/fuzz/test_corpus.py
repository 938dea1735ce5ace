"""Cases that once broke something: corpus/KIND/NAME, each with its line in corpus/README.md."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fuzzing import findings
from fuzzing.campaign import HANG
from fuzzing.worker import MEMORY, sanitized

ROOT = Path(__file__).resolve().parents[2]
CASES = sorted(path for path in findings.CORPUS.glob("*/*") if path.is_file())


@contextmanager
def limited_memory() -> Iterator[None]:
    """As a worker limits it, and as it was afterwards."""
    if sys.platform != "linux" or sanitized():
        yield
        return
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    most = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_it_breaks_nothing_any_more(path: Path, tmp_path: Path) -> None:
    if path.parent.name == "hub":  # it puts a hub of its own in the process's library
        command = [sys.executable, str(ROOT / "tools" / "fuzz"), "hub", "--case", str(path)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=20 * HANG)
        return
    began = time.process_time()
    with limited_memory():
        findings.replay(path.parent.name, path.read_bytes(), tmp_path)
    assert time.process_time() - began < HANG * (20 if sanitized() else 1)


def test_each_has_its_story() -> None:
    assert CASES
    notes = (findings.CORPUS / "README.md").read_text("utf-8")
    for path in CASES:
        assert f"| `{path.parent.name}/{path.name}` |" in notes
