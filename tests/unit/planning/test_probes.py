"""What was measured is kept for the machine that it was measured on."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pestle import _core
from pestle.planning.probes import Probes, Threads

from tests.unit.test_kv_memory import header

DAY = 86400.0


class Clock:
    """Also counts what is measured."""

    now = 1e9
    measured = 0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()

    def measure(threads: int) -> float:
        clock.measured += 1
        return 1e10 * threads

    monkeypatch.setenv("PESTLE_CACHE", str(tmp_path))
    monkeypatch.setattr(_core, "measure_bandwidth", measure)
    return clock


def bandwidth(clock: Clock, threads: int = 1, **more: Any) -> float:
    probes = Probes(Threads(threads), now=clock, **more)
    found = probes.bandwidth()
    probes.save()
    assert probes.oldest <= clock.now
    return found


def test_it_is_measured_once(clock: Clock, tmp_path: Path) -> None:
    assert bandwidth(clock) == bandwidth(clock) == pytest.approx(1e10)
    assert clock.measured == 1
    assert bandwidth(clock, 2) == pytest.approx(2e10)
    assert clock.measured == 2
    bandwidth(clock, fresh=True)
    assert clock.measured == 3
    clock.now += 29 * DAY
    probes = Probes(Threads(1), now=clock)
    probes.bandwidth()
    assert (clock.measured, probes.oldest) == (3, clock.now - 29 * DAY)
    clock.now += 2 * DAY
    bandwidth(clock)
    assert clock.measured == 4


def change(path: Path, how: Callable[[dict[str, Any]], object]) -> None:
    data = json.loads(path.read_text())
    how(data)
    path.write_text(json.dumps(data))


@pytest.mark.parametrize(
    "how",
    [
        lambda data: data["machine"].update(cpu="another"),
        lambda data: data.update(version=0),
        lambda data: data.pop("measured"),
        lambda data: data.update(measured=7),
        lambda data: data["measured"].update({"dram 1": [-1, 1e9]}),
        lambda data: data["measured"].update({"dram 1": ["soon", 1e9]}),
        lambda data: data["measured"].update({"dram 1": 1}),
    ],
)
def test_what_is_not_of_this_machine_is_measured_anew(
    clock: Clock, tmp_path: Path, how: Callable[[dict[str, Any]], object]
) -> None:
    bandwidth(clock)
    change(tmp_path / "probes.json", how)
    assert bandwidth(clock) == pytest.approx(1e10)
    assert clock.measured == 2


def test_what_others_disturb_is_not_kept(
    clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = _core.token_work(_core.GgufFile(header(tmp_path / "m.gguf", "smollm2-135m")))

    class Slow:
        def seconds(self, *_: Any) -> float:
            time.sleep(0.01)  # as a thread that waits for the processor
            return 1.0

    monkeypatch.setattr(_core, "ProductProbe", lambda size, threads: Slow())
    probes = Probes(Threads(1), now=clock)
    before = probes.disturbed
    probes.product(work.products[0], 1, 1)
    assert (before, probes.disturbed) == (False, True)
    probes.save()
    assert not (tmp_path / "probes.json").exists()


def test_a_file_that_is_none(clock: Clock, tmp_path: Path) -> None:
    (tmp_path / "probes.json").write_bytes(b"\xff{")
    assert bandwidth(clock) == pytest.approx(1e10)


def test_the_real_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Everything that plans ask for is some time, and more work is more of it."""
    monkeypatch.setenv("PESTLE_CACHE", str(tmp_path))
    work = _core.token_work(_core.GgufFile(header(tmp_path / "m.gguf", "smollm2-135m")))
    probes = Probes(Threads(1))
    small, head = work.products[0], work.products[-1]
    assert 0 < probes.product(small, 1, 1 << 20) < probes.product(head, 1, 1 << 25) < 1
    assert probes.product(small, 64, 1 << 20) < probes.product(small, 512, 1 << 20) < 10
    assert 0 < probes.layer(1) < 0.1
    assert 0 < probes.layer(512) < 1
    assert 0 < probes.attention(work.attention[0], "f16", 1) < 1e-3
    assert 0 < probes.attention(work.attention[0], "q8_0/f16", 512) < 0.1
    probes.save()
    assert (tmp_path / "probes.json").exists() is not probes.disturbed
