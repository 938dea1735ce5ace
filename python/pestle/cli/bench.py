"""`pestle bench`: prefill and decode beside what the machine allows, measured in one run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pestle.cli import loading, units
from pestle.cli.console import current
from pestle.cli.model_options import ModelOptions, model_options
from pestle.cli.option_types import COUNT, POSITIVE
from pestle.cli.options import json_option, verbosity

if TYPE_CHECKING:
    from pestle import LLM
    from pestle._core import Engine, Sequence


@dataclass(frozen=True)
class Probes:
    """What measures the machine: each takes a number of threads."""

    bandwidth: Callable[[int], float]  # bytes a second
    int8: Callable[[int], float]  # operations a second
    clock: Callable[[], float] = time.perf_counter


def machine_probes() -> Probes:
    """The core's probes and the system's clock."""
    from pestle import _core

    return Probes(_core.measure_bandwidth, _core.measure_int8)


@dataclass
class Samples:
    """One value for each repetition."""

    prefill_s: list[float] = field(default_factory=list)
    decode_s: list[float] = field(default_factory=list)
    bandwidth: list[float] = field(default_factory=list)
    int8_ops: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """What is measured: tokens of each kind, after `depth` tokens of context."""

    prefill: int
    decode: int
    depth: int
    repetitions: int


def measure(engine: Engine, n_vocab: int, plan: Plan, probes: Probes) -> Samples:
    """Run the plan once to warm up and then `plan.repetitions` times.

    The machine's limits are measured between the repetitions, because a shared machine's memory
    is not equally fast from one second to the next.
    """
    samples = Samples()
    base = engine.sequence()
    _feed(engine, base, _tokens(0, plan.depth, n_vocab))
    # Decoding a few tokens warms up as well as decoding all of them.
    _timed_prefill(engine, base, plan, n_vocab, probes.clock)
    _timed_decode(engine, base, Plan(plan.prefill, 4, plan.depth, 1), n_vocab, probes.clock)
    for _ in range(plan.repetitions):
        samples.bandwidth.append(probes.bandwidth(engine.threads))
        samples.decode_s.append(_timed_decode(engine, base, plan, n_vocab, probes.clock))
        samples.int8_ops.append(probes.int8(engine.threads_prefill))
        samples.prefill_s.append(_timed_prefill(engine, base, plan, n_vocab, probes.clock))
    return samples


def _tokens(start: int, number: int, n_vocab: int) -> list[int]:
    """Token ids spread over the vocabulary; the same ones in every run."""
    return [(position * 7919 + 17) % n_vocab for position in range(start, start + number)]


def _feed(engine: Engine, sequence: Sequence, tokens: list[int]) -> None:
    for start in range(0, len(tokens), engine.chunk):
        last = start + engine.chunk >= len(tokens)
        engine.step([(sequence, tokens[start : start + engine.chunk])], "last" if last else "none")


def _timed_prefill(
    engine: Engine, base: Sequence, plan: Plan, n_vocab: int, clock: Callable[[], float]
) -> float:
    sequence = base.fork(plan.depth)
    tokens = _tokens(plan.depth, plan.prefill, n_vocab)
    begin = clock()
    _feed(engine, sequence, tokens)
    return clock() - begin


def _timed_decode(
    engine: Engine, base: Sequence, plan: Plan, n_vocab: int, clock: Callable[[], float]
) -> float:
    sequence = base.fork(plan.depth)
    tokens = _tokens(plan.depth, plan.decode, n_vocab)
    begin = clock()
    for token in tokens:
        engine.step([(sequence, [token])])
    return clock() - begin


def summary(llm: LLM, plan: Plan, samples: Samples) -> dict[str, Any]:
    """The figures of a run, as --json prints them. Speeds are medians; shares compare medians."""
    from statistics import median  # here: it takes longer than most commands' modules together

    from pestle import __version__, _core

    model, engine = llm.model, llm.engine
    bandwidth = median(samples.bandwidth)
    int8_ops = median(samples.int8_ops)
    prefill = _speeds(plan.prefill, samples.prefill_s, model.prefill_ops)
    decode = _speeds(plan.decode, samples.decode_s, model.decode_bytes)
    return {
        "version": 1,
        "pestle": __version__,
        "model": {
            "name": Path(llm.path).stem,
            "architecture": model.architecture,
            "parameters": model.n_params,
            "weight_bytes": model.weight_bytes,
            "decode_bytes": model.decode_bytes,
        },
        "cpu": _core.cpu_info()["name"],
        "isa": _core.isa(),
        "threads": engine.threads,
        "threads_prefill": engine.threads_prefill,
        "depth": plan.depth,
        "repetitions": plan.repetitions,
        "machine": {"bandwidth": bandwidth, "int8_ops": int8_ops},
        "prefill": prefill | {"share_of_int8": prefill["per_second"] / int8_ops},
        "decode": decode | {"share_of_bandwidth": decode["per_second"] / bandwidth},
    }


def _speeds(tokens: int, seconds: list[float], cost: int) -> dict[str, Any]:
    """Tokens a second, and what one token costs (bytes or operations) a second."""
    from statistics import median as median_of

    median = median_of(seconds)
    return {
        "tokens": tokens,
        "tokens_per_second": tokens / median,
        "min": tokens / max(seconds),
        "max": tokens / min(seconds),
        "per_second": cost * tokens / median,
        "seconds": seconds,
    }


def lines(found: dict[str, Any]) -> list[str]:
    """The figures as text."""
    model, machine = found["model"], found["machine"]
    prefill, decode = found["prefill"], found["decode"]
    threads = str(found["threads"])
    if found["threads_prefill"] != found["threads"]:
        threads += f" (prefill {found['threads_prefill']})"
    rows: list[tuple[str, ...]] = [("", "tokens/s", "min", "max", "rate", "machine", "share")]
    for label, speed, rate, limit, share in (
        ("prefill", prefill, units.gigaops(prefill["per_second"]),
         units.gigaops(machine["int8_ops"]), prefill["share_of_int8"]),
        ("decode", decode, units.gigabytes(decode["per_second"]),
         units.gigabytes(machine["bandwidth"]), decode["share_of_bandwidth"]),
    ):  # fmt: skip
        numbers = (f"{speed[key]:,.1f}" for key in ("tokens_per_second", "min", "max"))
        rows.append((f"{label} {speed['tokens']}", *numbers, rate, limit, f"{100 * share:.0f} %"))
    how = [found["cpu"], found["isa"], f"threads {threads}", f"median of {found['repetitions']}"]
    if found["depth"]:
        how.append(f"after {found['depth']} tokens")
    what = (model["architecture"], f"{units.count(model['parameters'])} parameters",
            units.size(model["weight_bytes"]))  # fmt: skip
    return [
        f"{model['name']}: {', '.join(what)}",
        ", ".join(how),
        "",
        *units.aligned(rows, numbers=range(1, 7)),
    ]


@click.command("bench")
@model_options
@click.option("-p", "--prefill", metavar="N", type=POSITIVE, default=512, show_default=True,
              help="Tokens to read.")  # fmt: skip
@click.option("-n", "--decode", metavar="N", type=POSITIVE, default=128, show_default=True,
              help="Tokens to write, one at a time.")  # fmt: skip
@click.option("-r", "--repetitions", metavar="N", type=POSITIVE, default=5, show_default=True,
              help="How often each is measured, after one run to warm up.")  # fmt: skip
@click.option("--depth", metavar="N", type=COUNT, default=0, show_default=True,
              help="Tokens of context before the measured ones.")  # fmt: skip
@json_option
@verbosity
def command(
    options: ModelOptions, prefill: int, decode: int, repetitions: int, depth: int, as_json: bool
) -> None:
    """Measure how fast a model reads (prefill) and writes (decode).

    Beside each speed stands what the machine allows, measured in the same run: int8 operations
    bound prefill, DRAM reads bound decode. Prefill counts two operations for each weight and
    token, without the output head; decode counts the weight bytes that a token reads.
    """
    console = current()
    plan = Plan(prefill, decode, depth, repetitions)
    with loading.loaded(options, console) as llm:
        samples = measure(llm.engine, llm.n_vocab, plan, machine_probes())
        found = summary(llm, plan, samples)
    if as_json:
        console.json(found)
        return
    for line in lines(found):
        console.out(line)
