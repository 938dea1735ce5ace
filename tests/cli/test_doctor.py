"""`pestle doctor`: what it tells about a machine described by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pestle import _core, memory
from pestle.cli import doctor
from pestle.memory import Memory

from .conftest import Pestle

CPU = {
    "name": "Some CPU", "logical": 16, "physical": 8, "performance": 6, "usable": 4,
    "features": ["avx2", "fma"], "l1d": 32 * 1024, "l2": 1 << 20, "l3": 0,
}  # fmt: skip


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure nothing."""
    facts: dict[str, Any] = {
        "cpu_info": CPU,
        "isa": "avx2",
        "isas": ["avxvnni", "avx2", "scalar"],
        "measure_bandwidth": 40e9,
        "measure_int8": 938e9,
    }
    for name, value in facts.items():
        monkeypatch.setattr(_core, name, lambda value=value: value, raising=False)
    monkeypatch.setattr(memory, "read", lambda: Memory(16 * 10**9, 12 * 10**9, 13 * 10**9))
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.release", lambda: "6.1")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("platform.python_version", lambda: "3.11.7")
    monkeypatch.setattr(doctor, "_huge_pages", lambda: "madvise")


def test_text(pestle: Pestle, machine: None) -> None:
    result = pestle("doctor")
    first, *others = result.stdout.splitlines()
    assert first.endswith(", Python 3.11.7, Linux 6.1 x86_64")
    assert "\n".join(others) == (
        "CPU            Some CPU\n"
        "features       avx2 fma\n"
        "kernels        avx2 (PESTLE_ISA can force avxvnni, scalar)\n"
        "cores          16 logical, 8 physical, 6 of them performance cores, 4 usable by this "
        "process\n"
        "caches         L1d 32 KiB, L2 1 MiB\n"
        "memory         16.0 GB, 12.0 GB free (limited to 13.0 GB)\n"
        "huge pages     madvise\n"
        "DRAM reads     40.0 GB/s: bounds decode\n"
        "int8 products  938 GOPS: bounds prefill\n"
        "\n"
        "What would run, with 4,096 tokens of context (memory needed, and the decode speed that\n"
        "the DRAM allows at most; what streams reads experts from the disk as they are needed;\n"
        "`pestle plan NAME` says more):\n"
        "  model                memory  tokens/s\n"
        "  qwen3-0.6b           977 MB      62.6\n"
        "  llama3.2-1b         1.16 GB      49.4\n"
        "  qwen3-1.7b          2.24 GB      21.9\n"
        "  llama3.2-3b         2.44 GB      19.8\n"
        "  qwen3-4b-2507       2.95 GB      16.0\n"
        "  gpt-oss-20b         13.1 GB   streams\n"
        "  qwen3-30b-a3b-2507  20.0 GB   streams\n"
        "  gpt-oss-120b        67.5 GB   streams"
    )
    assert (result.stderr, result.exit_code) == ("", 0)


def test_json(pestle: Pestle, machine: None) -> None:
    data = json.loads(pestle("doctor", "--json").stdout)
    assert data["version"] == 2
    assert data["cpu"] == CPU
    assert data["isa"] == {"active": "avx2", "usable": ["avxvnni", "avx2", "scalar"]}
    assert data["memory"] == {"total": 16 * 10**9, "available": 12 * 10**9, "limit": 13 * 10**9}
    assert (data["bandwidth"], data["int8_ops"]) == (40e9, 938e9)
    assert data["models"][-1] == {
        "name": "gpt-oss-120b", "bytes_needed": 67_504_000_000, "fits": False, "way": "streams",
        "max_tokens_per_second": None,
    }  # fmt: skip
