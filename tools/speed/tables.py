"""The report as text, and as rows of a Markdown table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from speed.plan import Plan
from speed.report import Outcome, Speed, costs, limits, speeds


def text(path: str, plan: Plan, rounds: int, outcomes: Sequence[Outcome]) -> Iterator[str]:
    """One file's lines."""
    model, machine = costs(outcomes), limits(outcomes)
    yield f"{path}: " + (_describe(model) if model else "Pestle did not run it")
    yield f"{plan.threads} threads, KV {plan.kv}, {rounds} rounds" + (
        f"; int8 {machine['int8_ops'] / 1e9:,.0f} GOPS, DRAM {machine['bandwidth'] / 1e9:.1f} GB/s"
        if machine
        else ""
    )
    width = max(len(o.name) for o in outcomes)
    for name, row in speeds(outcomes).items():
        yield ""
        yield name
        for speed in row:
            yield f"  {speed.engine:{width}}  {_figures(name, speed)}"
    for outcome in outcomes:
        if outcome.failure:
            yield f"FAILED  {outcome.name}: {outcome.failure}"
    for outcome in outcomes:
        if outcome.samples.engine:
            yield f"{outcome.name:{width}}  {outcome.samples.engine}"


def _describe(model: Mapping[str, int | str]) -> str:
    size, parameters = float(model["weight_bytes"]) / 1e9, float(model["parameters"]) / 1e9
    return f"{model['architecture']}, {parameters:.2f}B parameters, {size:.2f} GB"


def _figures(name: str, speed: Speed) -> str:
    unit = "GOPS" if name.startswith("prefill") else "GB/s"
    figures = f"{speed.tokens_per_second:9,.1f} tokens/s ({speed.min:,.1f} to {speed.max:,.1f})"
    if speed.per_second is not None and speed.share is not None:
        figures += f"  {speed.per_second / 1e9:8,.1f} {unit} {_percent(speed.share):>5}"
    for other, ratio in speed.ratios.items():
        figures += f"  {other} is {ratio:.2f}x"
    return figures


def _percent(share: float) -> str:
    """Small ones with a decimal: beside AMX's tiles, vectors do little."""
    return f"{share:.0%}" if share >= 0.0995 else f"{share:.1%}"


def markdown(path: str, outcomes: Sequence[Outcome]) -> Iterator[str]:
    """One row for each measure: tokens a second, share, and how many times as fast Pestle is."""
    for name, row in speeds(outcomes).items():
        by_engine = {speed.engine: speed for speed in row}
        cells = [_cell(by_engine.get(o.name), o) for o in outcomes]
        yield f"| {path} | {name} | {' | '.join(cells)} |"


def markdown_header(names: Sequence[str]) -> Iterator[str]:
    """The table's first two lines."""
    yield f"| file | measure | {' | '.join(names)} |"
    yield "|---|---|" + "---|" * len(names)


def _cell(speed: Speed | None, outcome: Outcome) -> str:
    if speed is None:
        return "failed" if outcome.failure else ""
    figure = f"{speed.tokens_per_second:,.1f}"
    if speed.share is not None:
        figure += f" ({_percent(speed.share)})"
    if not outcome.ours and speed.ratios:
        figure += f" {next(iter(speed.ratios.values())):.2f}x"
    return figure
