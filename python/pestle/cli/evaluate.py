"""`pestle eval`: how good a model file is, and what it has lost of its source."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pestle.cli import completion, units
from pestle.cli.console import Console, current
from pestle.cli.loading import installed_path
from pestle.cli.option_types import whole_number
from pestle.cli.options import json_option, memory_option, threads_option, verbosity
from pestle.cli.progress import Counts

if TYPE_CHECKING:
    from os import PathLike

    from pestle.quality import Divergence, Evaluation, Figures

# pestle.quality.CTX_SIZE, which would cost every command's start the import of numpy.
CTX_SIZE = 512


def meaning(of: Divergence, original: str) -> tuple[str, str]:
    """What a divergence means, as two parts of a sentence."""
    return (
        f"picks the same next token as {original} {100 * of.same_best:.1f} % of the time",
        f"perplexity is {of.perplexity_ratio:.4f} times {original}'s",
    )


def lines(found: Evaluation) -> list[str]:
    """An evaluation, for people."""
    against = f" against {found.reference}" if found.reference else ""
    texts = f"{found.total.tokens:,} tokens of {found.texts}"
    head = f"{found.model}{against}: {texts}, in windows of {found.ctx_size}"
    heading: tuple[str, ...] = ("", "tokens", "perplexity", "+-")
    if found.reference:
        heading += ("ratio", "divergence", "+-", "median", "p99", "max", "same token")
    rows: list[tuple[str, ...]] = [heading]
    rows += [_row(name, figures) for name, figures in found.categories.items()]
    rows.append(_row("all", found.total))
    table = units.aligned(rows, numbers=range(1, len(heading)))
    said = [head, "", *table]
    if found.total.divergence is not None:
        same, ratio = meaning(found.total.divergence, "the reference")
        said += ["", f"P{same[1:]}; {ratio}."]
    return said


def _row(name: str, figures: Figures) -> tuple[str, ...]:
    row = (
        name,
        f"{figures.tokens:,}",
        f"{figures.perplexity:.4g}",
        f"{figures.perplexity_error:.2g}",
    )
    of = figures.divergence
    if of is None:
        return row
    numbers = (of.mean, of.mean_error, of.median, of.p99, of.max)
    divergence = tuple(f"{value:.3g}" for value in numbers)
    return (*row, f"{of.perplexity_ratio:.4f}", *divergence, f"{100 * of.same_best:.1f} %")


@click.command("eval", short_help="Measure a model's quality, and what it lost of its source.")
@click.argument(
    "models", metavar="FILE|NAME...", nargs=-1, required=True, shell_complete=completion.models
)
@click.option(
    "--reference",
    metavar="FILE|FOLDER",
    help="Compare with a GGUF file of higher precision, or with the checkpoint's folder.",
)
@click.option(
    "--texts",
    metavar="FILE",
    type=click.Path(),
    help="Text in UTF-8 to use.  [default: a built-in set]",
)
@click.option(
    "-c",
    "--ctx-size",
    metavar="N",
    type=whole_number(2),
    default=CTX_SIZE,
    help=f"Tokens of a window, each of which is read on its own.  [default: {CTX_SIZE}]",
)
@click.option(
    "--stream",
    is_flag=True,
    help="Run files layer by layer even if they fit into memory; the figures are the same.",
)
@memory_option("models that do not fit are run layer by layer.")
@threads_option("Threads; never decides a figure.")
@click.option(
    "--plot",
    "plot_path",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Draw divergence against size, of all files, as .svg, .png or .pdf; needs matplotlib.",
)
@json_option
@verbosity
def command(
    models: tuple[str, ...],
    reference: str | None,
    texts: str | None,
    ctx_size: int,
    stream: bool,
    memory: int | None,
    threads: int,
    plot_path: str | None,
    as_json: bool,
) -> None:
    """Measure perplexity and, with a reference, divergence from it: what quantizing has cost.

    The built-in texts are chats in the model's own template, calls of tools, code, prose, and texts
    in many languages and scripts. Divergence is Kullback and Leibler's, in nats: 0 where the model
    foresees every token as the reference does. A checkpoint's folder is run layer by layer in full
    precision, and never as a whole in memory or on the disk.

    Keys and values are kept in f32, so that the figures are those of the weights; `run` and `chat`
    keep them in i16 unless -ctk says otherwise.

    The exit code is 3 where the divergence is more than the file's types explain, as after a wrong
    conversion, or where the two read text differently.
    """
    from pestle.errors import FormatError
    from pestle.quality import evaluate
    from pestle.quality.plotting import check_plot, plot

    console = current()
    if plot_path is not None:
        if reference is None:
            raise click.UsageError("--plot draws divergence, which needs a --reference.")
        try:
            check_plot(plot_path)
        except ValueError as error:
            raise click.UsageError(f"--plot: {error}") from error
    evaluations: list[tuple[str | PathLike[str], Evaluation]] = []
    for model in models:
        path = installed_path(model)
        found = evaluate(
            path,
            reference=reference,
            texts=texts,
            ctx_size=ctx_size,
            threads=threads,
            stream=stream or None,
            memory=memory,
            progress=Counts(console, "tokens"),
        )
        evaluations.append((path, found))
        if not as_json:
            _show(found, console)
    if plot_path is not None:
        plot(evaluations, plot_path)
    if as_json:
        console.json(summary([found for _, found in evaluations]))
    for _, found in evaluations:
        if not found.ok:
            raise FormatError(f"{found.model}: {'; '.join(found.problems)}")


def summary(evaluations: list[Evaluation]) -> dict[str, Any]:
    """What was found, for programs: the evaluation, or all of several."""
    if len(evaluations) == 1:
        return evaluations[0].to_dict()
    return {"version": 1, "evaluations": [found.to_dict() for found in evaluations]}


def _show(found: Evaluation, console: Console) -> None:
    for text in found.left_out:
        console.note(f"Left out: {text}")
    for line in lines(found):
        console.out(line)
