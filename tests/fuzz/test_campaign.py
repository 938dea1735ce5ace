"""Thousands of cases of every kind, as `tools/fuzz` makes them; and the fuzzer itself.

PESTLE_FUZZ_CASES=100000 runs that many. Under `tools/sanitize` the processes are instrumented too.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fuzzing import campaign, chance, findings
from fuzzing.kinds import DEFAULT, RUN_MODELS, kind

CASES = int(os.environ.get("PESTLE_FUZZ_CASES", "6000"))
JOBS = min(4, os.cpu_count() or 1)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="workers are watched as Linux allows")


@pytest.mark.slow
def test_nothing_is_found(tmp_path: Path) -> None:
    folder = findings.Folder(tmp_path)
    plan = campaign.batches(DEFAULT, CASES, 0)
    report = campaign.run(plan, jobs=JOBS, found=folder.add)  # type: ignore[arg-type]
    assert report.findings == [], folder.causes
    assert report.cases == CASES
    run = sum(report.outcomes[name].total() for name in RUN_MODELS)
    assert run > CASES // 4
    for name, outcomes in report.outcomes.items():
        assert outcomes["ok"] > outcomes.total() // 50, f"{name}: nothing is left to run"


def test_what_a_worker_must_tell(tmp_path: Path) -> None:
    """A crash, a hang, a large allocation and an exception that is not ours."""
    by_way = {kind("self-test").case("self-test", seed).decode(): seed for seed in range(60)}
    plan = [campaign.Batch("self-test", seed, 1) for seed in by_way.values()]
    folder = findings.Folder(tmp_path)
    report = campaign.run(plan, jobs=1, hang=1.0, found=folder.add)  # type: ignore[arg-type]
    said = {finding.seed: finding.what for finding in report.findings}
    # Sanitizers reserve terabytes, so no limit of memory is set under them.
    limited = "libasan" not in os.environ.get("LD_PRELOAD", "")
    ways = ("foreign", "crash", "hang", *(("memory",) if limited else ()))
    assert set(said) == {by_way[way] for way in ways}
    assert said[by_way["foreign"]].startswith("KeyError")
    assert said[by_way["crash"]].startswith("crash: SIGSEGV" if limited else "crash")
    assert said[by_way["hang"]].startswith("hang")
    if limited:
        assert said[by_way["memory"]].startswith("MemoryError")
        outcomes = report.outcomes["self-test"]
        assert outcomes["ok"] == outcomes["FormatError"] == 1
    assert (tmp_path / f"self-test-{by_way['crash']}.case").read_bytes() == b"crash"


def test_the_rest_of_a_batch_goes_on() -> None:
    """A crash in its midst loses nothing: each case has one outcome."""
    ways = [kind("self-test").case("self-test", seed).decode() for seed in range(200)]
    first = next(
        n for n in range(200) if "hang" not in ways[n : n + 5] and "crash" in ways[n : n + 4]
    )
    report = campaign.run([campaign.Batch("self-test", first, 5)], jobs=1)
    assert report.cases == 5
    assert report.outcomes["self-test"]["FINDING"] == len(report.findings)


@pytest.mark.parametrize("name", DEFAULT)
def test_cases_are_reproducible(name: str) -> None:
    first = [kind(name).case(name, seed) for seed in range(20)]
    assert first == [kind(name).case(name, seed) for seed in range(20)]
    assert len(set(first)) > 12


def test_kinds_have_their_shares() -> None:
    counts = dict.fromkeys(DEFAULT, 0)
    for batch in campaign.batches(DEFAULT, 100_000, 7):
        assert batch.first >= 7
        counts[batch.kind] += batch.cases
    assert sum(counts.values()) == 100_000
    assert sum(counts[name] for name in RUN_MODELS) > 30_000


def test_a_case_is_made_smaller() -> None:
    found = findings.reduced(b"abc" * 50 + b"X" + b"def" * 50, lambda case: b"X" in case)
    assert found == b"X"


def test_deep_values_are_expanded() -> None:
    found = chance.expanded({"a": [{"$nested": 2}]})
    assert found == {"a": [[{"items": None}]]}
