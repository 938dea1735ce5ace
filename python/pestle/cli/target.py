"""Options for a file of a wanted size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pestle.cli.conversion import Size
from pestle.cli.option_groups import Command, collect
from pestle.cli.option_types import Number

if TYPE_CHECKING:
    from pestle.conversion import Target

_BITS = Number(float, "above 0 and below 32", lambda value: 0 < value < 32)
_TARGET: tuple[Callable[[Any], Any], ...] = (
    click.option("--target-size", metavar="SIZE", type=Size(), default=None,
                 help="Instead of a type: the bytes that the file may have, as in 4G. Each matrix "
                      "gets the type that makes the model diverge least."),
    click.option("--target-bpw", metavar="X", type=_BITS, default=None,
                 help="The same by the bits of its tensors for each weight, as in 4.5."),
    click.option("--calibration", metavar="TEXT", type=click.Path(exists=True, dir_okay=False),
                 help="A text to measure the matrices' sensitivities on.  "
                      "[default: one of Pestle's own]"),
    click.option("--no-measure", is_flag=True,
                 help="Take typical sensitivities instead, and run no model."),
)  # fmt: skip


def target_options(command: Command) -> Command:
    """Add what says how large a file may be, as `target: Target | None`."""
    return collect(command, _TARGET, "target", _target)


def text_of(path: str) -> str:
    """A text in UTF-8."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{path} is not valid UTF-8: {error.reason}") from error


def _target(values: dict[str, Any]) -> Target | None:
    size, bpw, calibration = (values[name] for name in ("target_size", "target_bpw", "calibration"))
    if size is None and bpw is None:
        if calibration is not None or values["no_measure"]:
            raise click.UsageError(
                "--calibration and --no-measure ask for --target-size or --target-bpw."
            )
        return None
    if size is not None and bpw is not None:
        raise click.UsageError("--target-size and --target-bpw exclude each other.")
    if calibration is not None and values["no_measure"]:
        raise click.UsageError("--calibration and --no-measure exclude each other.")
    from pestle.conversion import Target

    text = text_of(calibration) if calibration is not None else None
    return Target(size or 0, bpw or 0.0, text, measured=not values["no_measure"])
