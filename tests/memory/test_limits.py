"""A process keeps within the memory that it is given, or says beforehand that it cannot."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from control_group import ControlGroup, forget

from .groups import control_group

SCRIPT = Path(__file__).with_name("run_model.py")
MB = 10**6
PROMPT, N_CTX = 600, 1024


def run(group: ControlGroup, path: Path, budget: int, *options: str) -> dict[str, Any]:
    """What `run_model` says in a group whose limit is the budget."""
    forget(path)
    group.limit(budget // 4096 * 4096)
    command = [sys.executable, str(SCRIPT), str(path), str(budget), str(N_CTX), str(PROMPT)]
    done = group.run([*command, *options], timeout=300)
    assert done.returncode == 0, (budget, done.returncode, done.stderr)  # not killed, for one
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def free(mixture: Path) -> dict[str, Any]:
    """What comes of it without a limit."""
    with control_group("free") as group:
        return run(group, mixture, 1 << 30)


# From less than Python itself takes to more than all of the model.
@pytest.mark.parametrize("budget", [30 * MB, 90 * MB, 130 * MB, 180 * MB, 260 * MB, 520 * MB])
def test_either_it_runs_or_it_is_refused(mixture: Path, free: dict[str, Any], budget: int) -> None:
    with control_group(str(budget)) as group:
        found = run(group, mixture, budget)
        if found["way"] == "refused":
            assert budget < 180 * MB
            assert "of memory are needed" in found["why"]
            return
        assert found["way"] == ("streams" if budget < 500 * MB else "fits")
        assert (found["logits"], found["text"]) == (free["logits"], free["text"])
        assert group.hits == 0
        assert group.peak is None or group.peak <= budget
        assert found["faults"] < 200  # a map of the file would have thousands


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA counts mappings on Linux")
@pytest.mark.parametrize(
    ("memory", "data", "way"), [("-", 250, "refused"), (str(180 * MB), 250, "streams")]
)
def test_without_root(mixture: Path, memory: str, data: int, way: str) -> None:
    """What the system refuses is an error that names memory; what keeps within it runs."""
    options = [str(mixture), memory, str(N_CTX), str(PROMPT), str(data * MB)]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *options], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["way"] == way
    if way == "refused":
        assert found["why"].startswith("the system has no ")
