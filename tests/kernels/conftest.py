"""What each instruction set of this machine computes, once in a session."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
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
def results_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Results]]:
    """results_of(instruction set): the arrays that worker.py describes. All are at work at once."""
    folder = tmp_path_factory.mktemp("kernels")
    workers: dict[str, subprocess.Popen[bytes]] = {}
    loaded: dict[str, Results] = {}

    def start(isa: str) -> subprocess.Popen[bytes]:
        with (folder / f"{isa}.txt").open("wb") as said:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.kernels.worker", str(folder / f"{isa}.npz")],
                cwd=ROOT,
                env=os.environ | {"PESTLE_ISA": isa},
                stdout=said,
                stderr=said,
            )

    def results(isa: str) -> Results:
        if not workers:
            workers.update((each, start(each)) for each in _core.isas())
        if isa not in loaded:
            code = workers[isa].wait()
            assert code == 0, f"{isa}: {(folder / f'{isa}.txt').read_text()}"
            with np.load(folder / f"{isa}.npz") as arrays:
                loaded[isa] = dict(arrays)
        return loaded[isa]

    yield results
    for worker in workers.values():
        worker.kill()
        worker.wait()


@pytest.fixture
def results(isa: str, results_of: Callable[[str], Results]) -> Results:
    """The arrays of the instruction set `isa`."""
    return results_of(isa)
