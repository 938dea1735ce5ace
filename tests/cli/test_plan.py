"""`pestle plan`: what it says of plans that are given, and its exit codes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from pestle.cli import plan as command
from pestle.footprint import Footprint
from pestle.planning import Fit, Plan, Rate
from pestle.planning.planned import Streaming
from pestle.planning.trial import Trial

from .conftest import Pestle

GB = 10**9
MEMORY = Footprint(
    program=64_000_000, text=80_000_000, weights=2_480_000_000, experts=0, kv=6_040_000_000,
    prefix_cache=536_000_000, workspace=60_000_000, logits=20_000_000, n_ctx=40960,
    kv_slack=16_000_000, pass_memory=58_000_000,
)  # fmt: skip
FITS = Plan(
    name="u/m:Q4_K_M",
    quant="Q4_K_M",
    command="pestle chat -hf u/m:Q4_K_M",
    file_bytes=2_500_000_000,
    download_bytes=2_500_000_000,
    disk_free=60 * GB,
    fit=Fit("fits", MEMORY, 40960, 40960, 12 * GB, 0, 0),
    decode=Rate(17.2, 20.2, 22.3),
    decode_full=Rate(6.13, 7.21, 7.9),
    binds="memory bandwidth",
    prefill=110.2,
    first_token=4.646,
    measured=1_794_988_800.0,
)
STREAMS = Plan(
    name="u/m:Q8_0",
    quant="Q8_0",
    command="pestle chat -hf u/m:Q8_0 -c 8192",
    file_bytes=32 * GB,
    download_bytes=32 * GB,
    disk_free=60 * GB,
    fit=Fit("streams", MEMORY, 8192, 40960, 12 * GB, 1500, 6144),
    unmeasured=("how fast the disk reads",),
    measured=1_794_988_800.0,
)
TOO_LARGE = Plan(
    name="u/m:F16",
    quant="F16",
    command="pestle chat -hf u/m:F16",
    file_bytes=61 * GB,
    download_bytes=61 * GB,
    disk_free=60 * GB,
    fit=Fit("no", MEMORY, 4096, 40960, 6 * GB, 0, 0),
)
FOREIGN = Plan("u/m:Q1_0", "Q1_0", "", 7 * GB, 7 * GB, 60 * GB, refusal="u/m: type Q1_0 is not run")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was asked for; the answer is the list `plans`."""
    calls: list[Any] = []

    def plan(model: Any, **options: Any) -> list[Plan]:
        calls.append((model, options))
        return plans

    plans = [FITS, STREAMS, TOO_LARGE, FOREIGN]
    calls.append(plans)
    monkeypatch.setattr("pestle.planning.plan", plan)
    return calls


def test_a_repository(pestle: Pestle, asked: list[Any]) -> None:
    result = pestle("plan", "-hf", "u/m", "--memory", "12G", "-c", "40960")
    assert (
        result.stdout
        == """\
quantization  download   memory  runs              tokens/s  first token
Q4_K_M         2.50 GB  8.74 GB  yes               17 to 22        4.6 s
Q8_0           32.0 GB  8.74 GB  streams, -c 8192
F16            61.0 GB  8.74 GB  no: 2.74 GB more
Q1_0           7.00 GB           no

u/m:Q4_K_M fits: it takes 8.74 GB of the 12.0 GB of memory that there are
  program          64.0 MB
  tokenizer        80.0 MB
  weights          2.48 GB
  keys and values  6.04 GB  of 40,960 tokens
  texts kept        536 MB  at most, where there is room
  working memory   60.0 MB
  logits           20.0 MB

writes    17 to 22 tokens/s, 6.1 to 7.9 at the context's end; bound by memory bandwidth
reads     110 tokens/s: a prompt of 512 tokens in 4.6 s
download  2.50 GB; 60.0 GB are free
measured  2026-11-18

pestle chat -hf u/m:Q4_K_M
"""
    )
    (model, options) = asked[1]
    assert (model, options["hf"], options["memory"]) == (None, "u/m", 12 * GB)
    assert (options["n_ctx"], options["fresh"], options["offline"]) == (40960, False, False)


def test_one_that_streams(pestle: Pestle, asked: list[Any]) -> None:
    asked[0][:] = [STREAMS]
    assert (
        pestle("plan", "u/m:Q8_0").stdout
        == """\
u/m:Q8_0 streams its experts from the disk; 1,500 of 6,144 stay in memory: it takes 8.74 GB of the \
12.0 GB of memory that there are
  program          64.0 MB
  tokenizer        80.0 MB
  weights          2.48 GB
  keys and values  6.04 GB  of 8,192 tokens
  texts kept        536 MB  at most, where there is room
  working memory   60.0 MB
  logits           20.0 MB

download      32.0 GB; 60.0 GB are free
measured      2026-11-18
not measured  how fast the disk reads

pestle chat -hf u/m:Q8_0 -c 8192
"""
    )
    assert asked[1][1]["hf"] == "u/m:Q8_0"  # as for `pestle pull`


NEEDS = "u/m:F16 needs 8.7 GB of memory with a context of 4,096 tokens, and 6.0 GB are free"


@pytest.mark.parametrize(
    ("plan", "code", "last"), [(TOO_LARGE, 4, NEEDS), (FOREIGN, 3, "u/m: type Q1_0 is not run")]
)
def test_what_does_not_run(
    pestle: Pestle, asked: list[Any], plan: Plan, code: int, last: str
) -> None:
    asked[0][:] = [plan]
    result = pestle("plan", "-hf", plan.name)
    assert result.exit_code == code
    assert result.stdout.splitlines()[-1] == last
    asked[0][:] = [plan, FITS]
    assert pestle("plan", "-hf", "u/m").exit_code == 0


def test_a_busy_machine(pestle: Pestle, asked: list[Any]) -> None:
    asked[0][:] = [replace(FITS, disturbed=True)]
    said = "measured  2026-11-18, while other programs kept the machine busy: it may be faster"
    assert said in pestle("plan", "-hf", "u/m:Q4_K_M").stdout.splitlines()


def test_json(pestle: Pestle, asked: list[Any]) -> None:
    data = json.loads(pestle("plan", "-hf", "u/m", "--json").stdout)
    assert data["version"] == 1
    assert [plan["runs"] for plan in data["plans"]] == [True, True, False, False]
    assert data["plans"][0]["fit"]["needed"] == MEMORY.total - MEMORY.prefix_cache
    assert data["plans"][0]["decode"] == {"low": 17.2, "likely": 20.2, "high": 22.3}


def test_a_prediction_beside_the_truth() -> None:
    assert command.beside(FITS, 1_000_000_000, Trial(20.0, 100.0, 990_000_000, 2048)) == [
        "                      predicted  measured  difference",
        "writes, tokens/s           20.2      20.0        +1 %",
        "reads, tokens/s             110       100       +10 %",
        "memory, 2,048 tokens    1.00 GB    990 MB        +1 %",
    ]


def test_the_hits_of_a_trial_count() -> None:
    """Nobody knows them before: with them, the prediction is the disk's and the kernels'."""
    plan = replace(STREAMS, decode=Rate(1.0, 4.0, 5.0), streaming=Streaming(0.1, 0.4, (0.2, 0.7)))
    assert command.beside(plan, 10, Trial(3.0, 100.0, None, 2048, hits=0.5)) == [
        "                             predicted  measured  difference",
        "writes, tokens/s, 50 % hits        3.3       3.0       +11 %",
    ]


@pytest.mark.parametrize("arguments", [("m", "-hf", "u/m"), ("--memory", "lots"), ("-c", "x")])
def test_usage(pestle: Pestle, asked: list[Any], arguments: tuple[str, ...]) -> None:
    assert pestle("plan", *arguments).exit_code == 2


@pytest.mark.parametrize("plan", [TOO_LARGE, FOREIGN])
@pytest.mark.parametrize(
    "line",
    [
        ("pull", "-hf", "u/m"),
        ("run", "-hf", "u/m", "Hello"),
        ("serve", "-m", "qwen3-4b", "--port", "0"),
    ],
)
def test_a_download_in_vain(
    pestle: Pestle, monkeypatch: pytest.MonkeyPatch, plan: Plan, line: tuple[str, ...]
) -> None:
    """Without a terminal it is refused; on one there is a question."""
    fetched = []
    monkeypatch.setattr("pestle.planning.downloading.in_vain", lambda reference, options: plan)
    monkeypatch.setattr("pestle.models.hub.find_cached", lambda reference: None)
    monkeypatch.setattr("pestle.models.pull", lambda *_, **__: fetched.append(1))
    result = pestle(*line)
    cure = "--yes fetches it all the same"
    if line[0] != "pull":
        which = "-hf u/m" if line[0] == "run" else "qwen3-4b"
        cure = f"`pestle pull --yes {which}` fetches it all the same"
    assert result.stderr == f"pestle: error: {plan.obstacle()}; {cure}\n"
    code = 4 if plan is TOO_LARGE else 3
    assert (result.exit_code, fetched) == (code, [])

    monkeypatch.setattr("pestle.cli.before_download.terminal_on_stdin", lambda: True)
    result = pestle(*line, stdin="\n")
    assert result.stderr.startswith(f"{plan.obstacle()}. Fetch it all the same? [y/N]: ")
    assert (result.exit_code, fetched) == (code, [])
    if line[0] == "pull":
        assert pestle("pull", "-hf", "u/m", stdin="y\n").exit_code == 0
        assert pestle("pull", "-hf", "u/m", "--yes").exit_code == 0
        assert len(fetched) == 2
