"""`pestle plan`: what to expect of a model before it is downloaded."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from pestle.cli import completion, exits, units
from pestle.cli.console import current
from pestle.cli.model_options import ModelOptions, engine_options
from pestle.cli.options import json_option, verbosity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pestle.planning import Fit, Plan, Rate
    from pestle.planning.trial import Trial

_ITEMS = {
    "weights": "weights",
    "experts": "experts",
    "kv": "keys and values",
    "workspace": "working memory",
    "logits": "logits",
    "results": "results",
    "text": "tokenizer",
    "program": "program",
    "prefix_cache": "texts kept",
}


def table(plans: Sequence[Plan]) -> list[str]:
    """One line for each quantization."""
    rows = [("quantization", "download", "memory", "runs", "tokens/s", "first token")]
    for plan in plans:
        memory = units.size(plan.fit.needed) if plan.fit is not None else ""
        first = _seconds(plan.first_token) if plan.first_token is not None else ""
        label = plan.quant or plan.name
        rows.append(
            (label, units.size(plan.file_bytes), memory, _way(plan), _rate(plan.decode), first)
        )
    return units.aligned(rows, numbers=(1, 2, 5))


def details(plan: Plan) -> list[str]:
    """All that is known of one model, and the line to type."""
    from pestle.planning import PROMPT

    lines = []
    if plan.fit is not None:
        lines += [_summary(plan, plan.fit), *(f"  {line}" for line in _memory(plan.fit)), ""]
    facts = []
    if plan.decode is not None and plan.decode_full is not None:
        speeds = f"{_rate(plan.decode)} tokens/s, {_rate(plan.decode_full)} at the context's end"
        facts.append(("writes", f"{speeds}; bound by {plan.binds}"))
    if plan.prefill is not None and plan.first_token is not None:
        reading = f"a prompt of {PROMPT} tokens in {_seconds(plan.first_token)}"
        facts.append(("reads", f"{plan.prefill:,.0f} tokens/s: {reading}"))
    if plan.download_bytes:
        free = f"; {units.size(plan.disk_free)} are free" if plan.disk_free is not None else ""
        facts.append(("download", f"{units.size(plan.download_bytes)}{free}"))
    if plan.measured is not None:
        day = time.strftime("%Y-%m-%d", time.localtime(plan.measured))
        busy = ", while other programs kept the machine busy: it may be faster"
        facts.append(("measured", day + (busy if plan.disturbed else "")))
    if plan.unmeasured:
        facts.append(("not measured", ", ".join(plan.unmeasured)))
    lines += units.aligned(facts)
    obstacle = plan.obstacle()
    return [*lines, "", plan.command if obstacle is None else obstacle]


def _summary(plan: Plan, fit: Fit) -> str:
    room = f"{units.size(fit.needed)} of the {units.size(fit.budget)} of memory that there are"
    if fit.way == "fits":
        return f"{plan.name} fits: it takes {room}"
    if fit.way == "streams":
        return (f"{plan.name} streams its experts from the disk; {fit.slots:,} of {fit.experts:,} "
                f"stay in memory: it takes {room}")  # fmt: skip
    return f"{plan.name} does not fit: it takes {units.size(fit.needed)} at least"


def _memory(fit: Fit) -> list[str]:
    rows = []
    for name, size in fit.memory.items():
        if not size:
            continue
        note = f"of {fit.n_ctx:,} tokens" if name == "kv" else ""
        note = "at most, where there is room" if name == "prefix_cache" else note
        rows.append((_ITEMS[name], units.size(size), note))
    return units.aligned(rows, numbers=(1,))


def _way(plan: Plan) -> str:
    if plan.fit is None:
        return "no"
    if plan.fit.way == "no":
        return f"no: {units.size(plan.fit.needed - plan.fit.budget)} more"
    if plan.obstacle() is not None:
        return "no: the disk is full"
    way = {"fits": "yes", "streams": "streams"}[plan.fit.way]
    return way if plan.fit.n_ctx >= plan.fit.longest else f"{way}, -c {plan.fit.n_ctx}"


def _rate(rate: Rate | None) -> str:
    if rate is None:
        return ""
    low, high = (f"{x:.0f}" if rate.low >= 9.95 else f"{x:.1f}" for x in (rate.low, rate.high))
    return f"{low} to {high}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 9.95 else f"{seconds:.1f} s"


def beside(plan: Plan, needed: int, trial: Trial) -> list[str]:
    """A prediction and what was measured, line by line."""
    rows = [("", "predicted", "measured", "difference")]

    def row(name: str, predicted: float, measured: float, shown: str, found: str) -> None:
        rows.append((name, shown, found, f"{100 * (predicted / measured - 1):+.0f} %"))

    if plan.streaming is not None and trial.hits is not None:
        predicted = 1 / plan.streaming.seconds(trial.hits)
        row(f"writes, tokens/s, {100 * trial.hits:.0f} % hits", predicted, trial.decode,
            f"{predicted:,.1f}", f"{trial.decode:,.1f}")  # fmt: skip
    elif plan.decode is not None:
        row("writes, tokens/s", plan.decode.likely, trial.decode,
            f"{plan.decode.likely:,.1f}", f"{trial.decode:,.1f}")  # fmt: skip
    if plan.prefill is not None:
        row("reads, tokens/s", plan.prefill, trial.prefill,
            f"{plan.prefill:,.0f}", f"{trial.prefill:,.0f}")  # fmt: skip
    if trial.peak is not None:
        row(f"memory, {trial.n_ctx:,} tokens", needed, trial.peak,
            units.size(needed), units.size(trial.peak))  # fmt: skip
    return units.aligned(rows, numbers=(1, 2, 3))


@click.command("plan", short_help="Say what to expect of a model before it is downloaded.")
@click.argument(
    "model",
    metavar="[FILE|NAME|USER/REPO]",
    required=False,
    shell_complete=completion.models,
)
@click.option("-hf", "hub", metavar="USER/REPO[:QUANT]", help="A model on the Hugging Face hub.")
@click.option("--fresh", is_flag=True, help="Measure the machine anew.")
@click.option("--verify", is_flag=True,
              help="Run the model, which has to be here, and compare.")  # fmt: skip
@json_option
@engine_options
@verbosity
@click.pass_context
def command(
    ctx: click.Context,
    model: str | None,
    hub: str | None,
    fresh: bool,
    verify: bool,
    as_json: bool,
    options: ModelOptions,
) -> None:
    """Say whether a model runs on this machine, in how much memory, and how fast.

    Of a model on the hub only the headers of its files are read; without :QUANT, each quantization
    is planned. The machine is measured once, for some seconds. The exit code is 4 where nothing of
    it fits, and 3 where Pestle does not run it.
    """
    from dataclasses import asdict

    from pestle.planning import plan

    console = current()
    if model is not None and hub is not None:
        raise click.UsageError("Give a model either by name or with -hf.")
    if hub is None and _is_repository(model):
        model, hub = None, model
    plans = plan(
        model, hf=hub, offline=options.offline, fresh=fresh or verify, **asdict(options.engine)
    )
    trial = _verified(plans[0], model, hub, options) if verify else None
    if as_json:
        data = {"version": 1, "plans": [each.to_dict() for each in plans]}
        console.json(data | ({"trial": asdict(trial[1])} if trial is not None else {}))
    else:
        best = next((each for each in plans if each.runs), plans[0])
        lines = [*table(plans), ""] if len(plans) > 1 else []
        for line in [*lines, *details(best)]:
            console.out(line)
        if trial is not None:
            for line in ["", *beside(plans[0], *trial)]:
                console.out(line)
    if not any(each.runs for each in plans):
        ctx.exit(exits.DOES_NOT_FIT if plans[0].refusal is None else exits.BAD_FILE)


def _is_repository(model: str | None) -> bool:
    """Whether a name can only be that of a repository: it is no file and no model of this disk."""
    from pestle.models.resolution import reference_of

    return (
        reference_of(model) is None
        and reference_of(model, any_repository=True) is not None
        and not _is_installed(str(model))
    )


def _is_installed(name: str) -> bool:
    from pestle.models import installed

    return any(each.name == name for each in installed())


def _verified(
    plan: Plan, model: str | None, hub: str | None, options: ModelOptions
) -> tuple[int, Trial]:
    """Run what was planned: the bytes predicted for the trial's context, and what it measured."""
    from dataclasses import replace

    from pestle._core import GgufFile
    from pestle.footprint import footprint
    from pestle.models import resolve
    from pestle.planning.trial import trial_options, try_out

    if not plan.runs:
        raise click.ClickException(str(plan.obstacle()))
    assert plan.fit is not None
    path = resolve(model, hf=hub, offline=True)
    engine = trial_options(options.engine, plan.fit.n_ctx)
    memory = footprint(GgufFile(path), engine)
    if plan.fit.way == "fits":
        return memory.total, try_out(path, engine)
    experts = plan.fit.memory.experts
    streamed = replace(memory, text=0, experts=experts)
    return streamed.total, try_out(path, engine, experts)
