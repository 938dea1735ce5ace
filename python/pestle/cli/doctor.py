"""`pestle doctor`: what this machine is, what it measures, and what will run on it."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from pestle import memory
from pestle.cli import units
from pestle.cli.console import current
from pestle.cli.options import json_option, verbosity
from pestle.models.catalogue import CATALOGUE
from pestle.models.fitting import LADDER, expect

PROBES = 3  # of which the median is shown: other programs make single probes jump
_WAYS = {"streams": "streams", "no": "does not fit"}
HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def predict(bandwidth: float, available: int) -> list[dict[str, Any]]:
    """What models of the catalogue would need and do, the smallest first."""
    rows = []
    for name in reversed(LADDER):
        fit = expect(CATALOGUE[name], available, bandwidth)
        speed = None if fit.speed is None else round(fit.speed, 1)
        rows.append({"name": name, "bytes_needed": fit.memory, "fits": fit.fits, "way": fit.way,
                     "max_tokens_per_second": speed})  # fmt: skip
    return rows


def examine() -> dict[str, Any]:
    """Ask and measure everything; takes about two seconds."""
    from pestle import __version__, _core

    cpu = _core.cpu_info()
    room = memory.read()
    bandwidth = _median(_core.measure_bandwidth)
    return {
        "version": 2,
        "pestle": __version__,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "cpu": cpu,
        "isa": {"active": _core.isa(), "usable": _core.isas()},
        "memory": asdict(room),
        "huge_pages": _huge_pages(),
        "bandwidth": bandwidth,
        "int8_ops": _median(_core.measure_int8),
        "models": predict(bandwidth, room.available),
    }


def _median(probe: Callable[[], float]) -> float:
    from statistics import median

    return median(probe() for _ in range(PROBES))


def _huge_pages() -> str | None:
    """The kernel's setting, such as "madvise"; None where it has none."""
    try:
        text = HUGE_PAGES.read_text(encoding="ascii")
    except (OSError, ValueError):
        return None
    return text.partition("[")[2].partition("]")[0]


def lines(found: dict[str, Any]) -> list[str]:
    """The findings as text."""
    cpu, isa, room = found["cpu"], found["isa"], found["memory"]
    others = [name for name in isa["usable"] if name != isa["active"]]
    threads = f"{cpu['logical']} logical, {cpu['physical']} physical"
    if cpu["performance"] != cpu["physical"]:
        threads += f", {cpu['performance']} of them performance cores"
    caches = ", ".join(
        f"{label} {units.binary(cpu[key])}"
        for label, key in (("L1d", "l1d"), ("L2", "l2"), ("L3", "l3"))
        if cpu[key]
    )
    limited = f" (limited to {units.size(room['limit'])})" if room["limit"] else ""
    facts = [
        ("pestle", f"{found['pestle']}, Python {found['python']}, {found['system']}"),
        ("CPU", cpu["name"] or "unknown"),
        ("features", " ".join(cpu["features"])),
        ("kernels", f"{isa['active']} (PESTLE_ISA can force {', '.join(others) or 'no other'})"),
        ("cores", f"{threads}, {cpu['usable']} usable by this process"),
        ("caches", caches or "unknown"),
        ("memory", f"{units.size(room['total'])}, {units.size(room['available'])} free{limited}"),
        ("huge pages", found["huge_pages"] or "not reported by this system"),
        ("DRAM reads", f"{units.gigabytes(found['bandwidth'])}: bounds decode"),
        ("int8 products", f"{units.gigaops(found['int8_ops'])}: bounds prefill"),
    ]
    table = [("model", "memory", "tokens/s")]
    for model in found["models"]:
        speed = _WAYS.get(model["way"]) or f"{model['max_tokens_per_second']:.1f}"
        table.append((model["name"], units.size(model["bytes_needed"]), speed))
    return [
        *units.aligned(facts),
        "",
        "What would run, with 4,096 tokens of context (memory needed, and the decode speed that",
        "the DRAM allows at most; what streams reads experts from the disk as they are needed;",
        "`pestle plan NAME` says more):",
        *(f"  {line}" for line in units.aligned(table, numbers=(1, 2))),
    ]


@click.command("doctor")
@json_option
@verbosity
def command(as_json: bool) -> None:
    """Show what this machine is and what will run on it.

    Measures DRAM reads and int8 products on all usable cores, which takes about two seconds.
    """
    console = current()
    found = examine()
    if as_json:
        console.json(found)
        return
    for line in lines(found):
        console.out(line)
