"""What every test may use."""

from __future__ import annotations

import importlib.util
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import settings

# A busy machine is no mistake of what is tested.
settings.register_profile("pestle", deadline=None)
settings.load_profile("pestle")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def load_tool() -> Callable[[str], ModuleType]:
    """Import a script of tools/ as a module, by its name without .py."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(
            f"tools_{name}", ROOT / "tools" / f"{name}.py"
        )
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Python's handler of SIGINT, also where whoever started the tests has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
