"""Divergence against size, of several files of one model; drawn by matplotlib, an extra."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path

from pestle import files
from pestle._core import GgufFile
from pestle.errors import Error
from pestle.quality import Evaluation

FORMATS = (".svg", ".png", ".pdf")


def check_plot(out: str | os.PathLike[str]) -> None:
    """Raise what `plot` would of its own, before anything is measured for it.

    ValueError: the file's ending is not one of FORMATS. Error: matplotlib is not installed.
    """
    path = Path(out)
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"cannot plot to {path.name}: expected {', '.join(FORMATS)}")
    if importlib.util.find_spec("matplotlib") is None:
        raise Error("plotting needs matplotlib, which is not installed: pip install 'pestle[plot]'")


def plot(
    evaluations: Sequence[tuple[str | os.PathLike[str], Evaluation]], out: str | os.PathLike[str]
) -> None:
    """Draw the mean divergence of files from their reference against their sizes.

    evaluations: each with the path of its file, and with a reference. The same figures give the
    same bytes of SVG. ValueError without any, or where one has no reference; Error where `out`
    cannot be written; otherwise raises as `check_plot` does.
    """
    check_plot(out)
    if not evaluations:
        raise ValueError("there is nothing to plot")
    points = []
    for path, found in evaluations:
        if found.total.divergence is None:
            raise ValueError(f"{found.model} was measured without a reference")
        points.append((GgufFile(path).size / 1e6, found.total.divergence, found.model))
    points.sort(key=lambda point: point[0])

    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter

    with mpl.rc_context({"svg.hashsalt": "pestle", "svg.fonttype": "none"}):
        figure = Figure(figsize=(8, 5), layout="constrained")
        axes = figure.subplots()
        sizes = [size for size, _, _ in points]
        means = [of.mean for _, of, _ in points]
        axes.errorbar(
            sizes, means, yerr=[of.mean_error for _, of, _ in points], fmt="o-", capsize=3
        )
        middle = (sizes[0] + sizes[-1]) / 2
        for size, of, name in points:
            label = f"{_shown(name.removesuffix('.gguf'))}\n{100 * of.same_best:.1f} % same token"
            axes.annotate(
                label,
                (size, of.mean),
                textcoords="offset points",
                xytext=(-7, 7) if size > middle else (7, 7),  # within the axes
                horizontalalignment="right" if size > middle else "left",
                fontsize=8,
                parse_math=False,
            )
        if min(means) > 0:
            axes.set_yscale("log")
            for axis in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
                axis(FuncFormatter(lambda value, _: f"{value:g}"))  # 0.06, not 6 x 10^-2
        first = evaluations[0][1]
        axes.set_xlabel("size of the file, MB")
        axes.set_ylabel("mean divergence from the reference, nats")
        said = f"against {first.reference}: {first.total.tokens:,} tokens of {first.texts}"
        axes.set_title(_shown(said), parse_math=False)
        axes.grid(alpha=0.3, which="both")
        axes.margins(x=0.15, y=0.12)  # room for the names
        # No date: the same figures give the same file.
        metadata = {"Date": None} if Path(out).suffix.lower() == ".svg" else None
        try:
            with files.placed(Path(out)) as stream:
                figure.savefig(stream, format=Path(out).suffix[1:].lower(), metadata=metadata)
        except OSError as error:
            raise Error(f"cannot write {out}: {error.strerror}") from error


def _shown(name: str) -> str:
    """A name from a file or a disk without what no font has and XML forbids."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
