"""`pestle bench`: what is timed, and how it is told, with an engine that only counts."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pestle import _core
from pestle.cli import bench
from pestle.cli.bench import Plan, Probes

from .conftest import Pestle
from .fakes import FakeLLM

Use = Callable[[FakeLLM], FakeLLM]


class CountingSequence:
    def __init__(self, n_tokens: int = 0) -> None:
        self.n_tokens = n_tokens

    def fork(self, n_tokens: int) -> CountingSequence:
        assert n_tokens <= self.n_tokens
        return CountingSequence(n_tokens)


class CountingEngine:
    """A prefilled token takes 1 ms, a decoded one 10 ms; `steps` has every step."""

    threads, threads_prefill, chunk = 2, 4, 256

    def __init__(self) -> None:
        self.now = 0.0
        self.steps: list[tuple[int, int, str]] = []  # tokens held before, tokens fed, logits

    def sequence(self) -> CountingSequence:
        return CountingSequence()

    def step(self, batch: Any, logits: str = "last") -> int:
        ((sequence, tokens),) = batch
        assert 0 < len(tokens) <= self.chunk
        self.steps.append((sequence.n_tokens, len(tokens), logits))
        sequence.n_tokens += len(tokens)
        self.now += 0.01 if len(tokens) == 1 else 0.001 * len(tokens)
        return 1


def measured(plan: Plan) -> tuple[CountingEngine, bench.Samples]:
    engine: Any = CountingEngine()
    return engine, bench.measure(engine, 300, plan, probes_of(engine))


def probes_of(engine: CountingEngine) -> Probes:
    """A machine whose every thread reads 50 GB/s and does 1,000 GOPS."""
    return Probes(lambda threads: 50e9 * threads, lambda threads: 1e12 * threads,
                  lambda: engine.now)  # fmt: skip


def test_measure() -> None:
    engine, samples = measured(Plan(prefill=300, decode=5, depth=0, repetitions=2))
    assert samples.prefill_s == pytest.approx([0.3, 0.3])
    assert samples.decode_s == pytest.approx([0.05, 0.05])
    assert (samples.bandwidth, samples.int8_ops) == ([100e9, 100e9], [4e12, 4e12])
    prefill = [(0, 256, "none"), (256, 44, "last")]
    decode = [(n, 1, "last") for n in range(5)]
    assert engine.steps == [*prefill, *decode[:4], *decode, *prefill, *decode, *prefill]


def test_depth_is_read_once_and_kept() -> None:
    engine, _ = measured(Plan(prefill=10, decode=2, depth=20, repetitions=1))
    assert engine.steps[0] == (0, 20, "last")
    assert all(held >= 20 for held, _, _ in engine.steps[1:])


@pytest.fixture
def fast(use: Use, monkeypatch: pytest.MonkeyPatch) -> CountingEngine:
    engine = CountingEngine()
    llm = use(FakeLLM())
    llm.engine = engine  # type: ignore[assignment]
    llm.n_vocab = 300  # type: ignore[attr-defined]
    monkeypatch.setattr(bench, "machine_probes", lambda: probes_of(engine))
    monkeypatch.setattr(_core, "cpu_info", lambda: {"name": "Some CPU"}, raising=False)
    monkeypatch.setattr(_core, "isa", lambda: "avx2", raising=False)
    return engine


def test_text(pestle: Pestle, fast: CountingEngine) -> None:
    result = pestle("bench", "-p", "100", "-n", "10", "-r", "3", "--depth", "7")
    assert result.stdout == (
        "fake.Q4_1: llama, 1.00B parameters, 600 MB\n"
        "Some CPU, avx2, threads 2 (prefill 4), median of 3, after 7 tokens\n"
        "\n"
        "             tokens/s      min      max        rate     machine  share\n"
        "prefill 100   1,000.0  1,000.0  1,000.0  1,800 GOPS  4,000 GOPS   45 %\n"
        "decode 10       100.0    100.0    100.0   50.0 GB/s  100.0 GB/s   50 %\n"
    )
    assert (result.stderr, result.exit_code) == ("", 0)


def test_json(pestle: Pestle, fast: CountingEngine) -> None:
    data = json.loads(pestle("bench", "--json", "-p", "100", "-n", "10", "-r", "1").stdout)
    assert data["version"] == 1
    assert data["model"]["name"] == "fake.Q4_1"
    assert data["machine"] == {"bandwidth": 100e9, "int8_ops": 4000e9}
    assert data["prefill"]["tokens_per_second"] == pytest.approx(1000)
    assert data["prefill"]["share_of_int8"] == pytest.approx(0.45)
    assert data["decode"]["seconds"] == pytest.approx([0.1])
    assert data["decode"]["share_of_bandwidth"] == pytest.approx(0.5)


def test_median_and_extremes() -> None:
    speeds = bench._speeds(100, [1.0, 4.0, 2.0], cost=3)
    assert (speeds["tokens_per_second"], speeds["min"], speeds["max"]) == (50, 25, 100)
    assert speeds["per_second"] == 150
    assert speeds["seconds"] == [1.0, 4.0, 2.0]
