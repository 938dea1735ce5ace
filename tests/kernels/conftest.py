"""What each instruction set of this machine computes, once in a session."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from pestle import _core

ROOT = Path(__file__).resolve().parent.parent.parent
Results = Mapping[str, np.ndarray]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "isa" in metafunc.fixturenames:
        metafunc.parametrize("isa", _core.isas())


@pytest.fixture(scope="session")
def results_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Results]:
    """results_of(instruction set): the arrays that worker.py describes."""
    folder = tmp_path_factory.mktemp("kernels")
    loaded: dict[str, Results] = {}

    def results(isa: str) -> Results:
        if isa not in loaded:
            path = folder / f"{isa}.npz"
            done = subprocess.run(
                [sys.executable, "-m", "tests.kernels.worker", str(path)],
                cwd=ROOT,
                env=os.environ | {"PESTLE_ISA": isa},
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{isa}: {done.stderr}"
            with np.load(path) as arrays:
                loaded[isa] = dict(arrays)
        return loaded[isa]

    return results


@pytest.fixture
def results(isa: str, results_of: Callable[[str], Results]) -> Results:
    """The arrays of the instruction set `isa`."""
    return results_of(isa)
