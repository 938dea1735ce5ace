"""What the tests of plans share: a machine that takes a known time for everything."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.models.conftest import caches, hub

__all__ = ["caches", "hub"]


class KnownMachine:
    """Probes of a machine that reads 10 GB a second and does no more than that."""

    oldest = 1e9
    disturbed = False
    saved = 0

    def __init__(self, *_: Any, **__: Any) -> None: ...

    def bandwidth(self) -> float:
        return 1e10

    def product(self, work: Any, rows: float, among: int) -> float:
        assert among >= work.bytes
        return float(work.bytes) / 1e10 * (1 if rows < 2 else rows / 4)

    def layer(self, rows: int) -> float:
        return 1e-5 * rows

    def attention(self, work: Any, kv_type: str, rows: int) -> float:
        return 1e-8 * rows

    def save(self) -> None:
        KnownMachine.saved += 1


@pytest.fixture
def known_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> KnownMachine:
    """All plans are made for it; its disk reads 0.2 GB a second."""
    monkeypatch.setattr("pestle.planning.api.Probes", KnownMachine)
    monkeypatch.setattr("pestle.planning.expectation.read_rate", lambda folder, path: 2e8)
    return KnownMachine()
