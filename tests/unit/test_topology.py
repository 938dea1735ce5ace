"""How many threads a machine gets: made-up /sys and /proc trees of known kinds of machines."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from pestle import _core

CPU = "sys/devices/system/cpu"


class Machine:
    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, path: str, text: object) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{text}\n")

    def cores(self, siblings: Iterable[str], **numbers: Callable[[int], int]) -> None:
        """`siblings`: a core's processors as Linux lists them; `numbers`: files of each one."""
        ids = []
        for text in siblings:
            for cpu in _ids(text):
                ids.append(cpu)
                self.write(f"{CPU}/cpu{cpu}/topology/core_cpus_list", text)
                self.write(f"{CPU}/cpu{cpu}/topology/core_id", cpu % 4)  # not unique on some
                for name, number in numbers.items():
                    self.write(f"{CPU}/cpu{cpu}/{name.replace('__', '/')}", number(cpu))
        self.write(f"{CPU}/online", ",".join(map(str, sorted(ids))))

    def topology(self, allowed: Iterable[int] = range(64)) -> dict[str, Any]:
        return _core.linux_topology(str(self.root), set(allowed))

    def counts(self, allowed: Iterable[int] = range(64)) -> tuple[int, int, int, int, int]:
        t = self.topology(allowed)
        return (t["logical"], t["physical"], t["performance"], t["usable"], t["default_threads"])


def _ids(text: str) -> list[int]:
    ids: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        ids += range(int(first), int(last or first) + 1)
    return ids


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def four_cores(machine: Machine) -> None:
    machine.cores(["0", "1", "2", "3"])


def test_siblings_share_a_core(machine: Machine) -> None:
    machine.cores([f"{i},{i + 8}" for i in range(8)])
    assert machine.counts() == (16, 8, 8, 16, 8)


def test_old_kernels_name_siblings_otherwise(machine: Machine) -> None:
    for cpu in range(4):
        machine.write(f"{CPU}/cpu{cpu}/topology/thread_siblings_list", f"{cpu // 2 * 2}-{cpu | 1}")
    machine.write(f"{CPU}/online", "0-3")
    assert machine.counts() == (4, 2, 2, 4, 2)


def test_processors_that_are_off(machine: Machine) -> None:
    four_cores(machine)
    machine.write(f"{CPU}/online", "0,2-3")
    assert machine.counts() == (3, 3, 3, 3, 3)


@pytest.mark.parametrize(
    ("allowed", "performance", "usable", "threads"),
    [
        ({0, 8}, 1, 2, 1),  # both siblings of a core
        ({0, 1, 2}, 3, 3, 3),
        ({0, 8, 1, 9, 2}, 3, 5, 3),
        ({15}, 1, 1, 1),
    ],
)
def test_affinity(
    machine: Machine, allowed: set[int], performance: int, usable: int, threads: int
) -> None:
    machine.cores([f"{i},{i + 8}" for i in range(8)])
    assert machine.counts(allowed) == (16, 8, performance, usable, threads)


# Kinds of cores.


def hybrid(machine: Machine) -> None:
    """Six cores of two threads and eight slow ones, whose frequency is not far off."""
    machine.cores(
        [f"{i}-{i + 1}" for i in range(0, 12, 2)] + [str(i) for i in range(12, 20)],
        cpufreq__cpuinfo_max_freq=lambda cpu: 5_700_000 if cpu < 12 else 4_600_000,
    )
    machine.write("sys/devices/cpu_core/cpus", "0-11")
    machine.write("sys/devices/cpu_atom/cpus", "12-19")


def test_intel_names_its_slow_cores(machine: Machine) -> None:
    hybrid(machine)
    assert machine.counts() == (20, 14, 6, 20, 6)


def test_only_slow_cores_are_allowed(machine: Machine) -> None:
    hybrid(machine)
    assert machine.counts(range(12, 16)) == (20, 14, 4, 4, 4)
    assert machine.counts([0, 1, 12, 13, 14]) == (20, 14, 1, 5, 1)


def test_frequency_tells_kinds_apart(machine: Machine) -> None:
    """Favoured cores are a little faster than the rest of their kind."""
    speeds = [5_100_000, 5_000_000, 4_800_000, 4_800_000, 3_300_000, 3_300_000]
    machine.cores(map(str, range(6)), cpufreq__cpuinfo_max_freq=lambda cpu: speeds[cpu])
    assert machine.counts() == (6, 6, 4, 6, 4)


def test_capacity_tells_kinds_apart(machine: Machine) -> None:
    """Of Arm cores, whose frequencies may be alike; ids of cores count within a cluster."""
    machine.cores(
        map(str, range(8)),
        cpu_capacity=lambda cpu: 430 if cpu < 4 else 1024,
        cpufreq__cpuinfo_max_freq=lambda cpu: 2_400_000,
    )
    assert machine.counts() == (8, 8, 4, 8, 4)


# Quotas.


@pytest.mark.parametrize(
    ("limit", "usable"),
    [
        ("max 100000", 4),
        ("200000 100000", 2),
        ("150000 100000", 2),  # the rest of a processor is worth a thread
        ("10000 100000", 1),
        ("800000 100000", 4),
        ("50000 25000", 2),
    ],
)
def test_quota(machine: Machine, limit: str, usable: int) -> None:
    four_cores(machine)
    machine.write("proc/self/cgroup", "0::/user.slice/job")
    machine.write("sys/fs/cgroup/user.slice/job/cpu.max", limit)
    assert machine.counts() == (4, 4, 4, usable, usable)


def test_quota_of_a_group_above(machine: Machine) -> None:
    four_cores(machine)
    machine.write("proc/self/cgroup", "0::/outer/inner")
    machine.write("sys/fs/cgroup/outer/cpu.max", "100000 100000")
    machine.write("sys/fs/cgroup/outer/inner/cpu.max", "300000 100000")
    assert machine.counts()[3:] == (1, 1)


@pytest.mark.parametrize("path", ["/", "/docker/0123abcd"])
def test_quota_of_a_container(machine: Machine, path: str) -> None:
    """The container's group is the root of what it sees; the path may still be the host's."""
    four_cores(machine)
    machine.write("proc/self/cgroup", f"0::{path}")
    machine.write("sys/fs/cgroup/cpu.max", "300000 100000")
    assert machine.counts()[3:] == (3, 3)


@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
@pytest.mark.parametrize("folder", ["", "/docker/0123abcd", "/docker"])
def test_quota_of_version_1(machine: Machine, mount: str, folder: str) -> None:
    four_cores(machine)
    groups = ["7:memory:/docker/0123abcd", "4:cpu,cpuacct:/docker/0123abcd", "2:cpuset:/x", "0::/"]
    machine.write("proc/self/cgroup", "\n".join(groups))
    machine.write(f"sys/fs/cgroup/{mount}{folder}/cpu.cfs_quota_us", 250_000)
    machine.write(f"sys/fs/cgroup/{mount}{folder}/cpu.cfs_period_us", 100_000)
    assert machine.counts()[3:] == (3, 3)


def test_version_1_without_a_limit(machine: Machine) -> None:
    four_cores(machine)
    machine.write("proc/self/cgroup", "4:cpu:/")
    machine.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", -1)
    machine.write("sys/fs/cgroup/cpu/cpu.cfs_period_us", 100_000)
    assert machine.counts()[3:] == (4, 4)


def test_hybrid_hierarchies(machine: Machine) -> None:
    """Version 2 below `unified`, with the limit in version 1, or the other way round."""
    four_cores(machine)
    machine.write("proc/self/cgroup", "1:cpu:/a\n0::/b")
    machine.write("sys/fs/cgroup/unified/b/cpu.max", "200000 100000")
    assert machine.counts()[3:] == (2, 2)
    machine.write("sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", 100_000)
    machine.write("sys/fs/cgroup/cpu/a/cpu.cfs_period_us", 100_000)
    assert machine.counts()[3:] == (1, 1)


def test_quota_and_kinds(machine: Machine) -> None:
    hybrid(machine)
    machine.write("proc/self/cgroup", "0::/job")
    machine.write("sys/fs/cgroup/job/cpu.max", "400000 100000")
    assert machine.counts() == (20, 14, 6, 4, 4)


@pytest.mark.parametrize("text", ["", "nonsense", "0::", "1:cpu", "0:::/", "::", "1:cpu:relative"])
def test_groups_that_make_no_sense(machine: Machine, text: str) -> None:
    four_cores(machine)
    machine.write("proc/self/cgroup", text)
    machine.write("sys/fs/cgroup/cpu.max", "")
    assert machine.counts() == (4, 4, 4, 4, 4)


# The rest.


def test_caches_and_name(machine: Machine) -> None:
    """Those of a fast core: caches of the others may be smaller."""
    machine.cores(["0", "1"], cpu_capacity=lambda cpu: 1024 if cpu else 300)
    machine.write("proc/cpuinfo", "processor\t: 0\nmodel name\t: Some CPU @ 2.00GHz\nmodel\t\t: 1")
    for i, (level, kind, size) in enumerate(
        [
            (1, "Data", "48K"),
            (1, "Instruction", "64K"),
            (2, "Unified", "2048K"),
            (3, "Unified", "32M"),
        ]
    ):
        for name, value in (("level", level), ("type", kind), ("size", size)):
            machine.write(f"{CPU}/cpu1/cache/index{i}/{name}", value)
    machine.write(f"{CPU}/cpu0/cache/index0/level", 2)
    machine.write(f"{CPU}/cpu0/cache/index0/size", "128K")
    t = machine.topology()
    assert t["name"] == "Some CPU @ 2.00GHz"
    assert (t["l1d"], t["l2"], t["l3"]) == (48 << 10, 2 << 20, 32 << 20)


def test_a_system_that_says_nothing(machine: Machine) -> None:
    assert machine.counts({0, 1, 5}) == (3, 3, 3, 3, 3)
    machine.write("proc/self/cgroup", "0::/")
    machine.write("sys/fs/cgroup/cpu.max", "100000 100000")
    assert machine.counts({0, 1, 5}) == (3, 3, 3, 1, 1)
